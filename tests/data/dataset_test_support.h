#pragma once

#include "data/dataset/dataset.h"

namespace longhaul::test {

/// A sample as it is trained on.
inline EncodedSample load_sample(const Dataset& dataset, std::int64_t sample) {
  Pack pack;
  pack.samples = {sample};
  DocumentBuffer buffer;
  dataset.load_packs({&pack, 1}, std::vector<std::int64_t>{0}, buffer);
  const Document& document = buffer.documents.front();
  EncodedSample result;
  result.tokens.assign(document.tokens, document.tokens + document.length);
  result.weights.assign(document.weights, document.weights + document.length);
  return result;
}

}  // namespace longhaul::test
