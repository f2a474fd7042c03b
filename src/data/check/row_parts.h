#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "data/template/row_encoder.h"

namespace longhaul {

/// A stretch of a row that is shown in one way.
struct RowPart {
  std::size_t first = 0;  // index of its first token
  std::size_t count = 0;  // tokens, at least 1
  float weight = 0.0F;    // loss weight of each of them
  bool added = false;     // one added token, such as <|im_start|>
};

/// A row cut into its longest stretches of equal weight, with added tokens apart. The parts cover
/// all tokens in order.
std::vector<RowPart> split_into_parts(const Tokenizer& tokenizer, const EncodedSample& sample);

/// What the tokens of a part stand for: the row's text as the model sees it, in NFC.
std::string text_of(const Tokenizer& tokenizer, const EncodedSample& sample, const RowPart& part);

}  // namespace longhaul
