#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/cache/token_cache.h"
#include "data/rows/row_blocks.h"
#include "data/template/row_encoder.h"

namespace longhaul {

/// What turns rows into samples: a RowEncoder, or something else in tests. `encode` is called from
/// several threads at once, with a Scratch each; it throws RowError for a row it refuses.
struct SampleEncoder {
  std::function<EncodedSample(const Row&, RowEncoder::Scratch&)> encode;
  std::string fingerprint;  // of everything that decides what a row becomes
  RowForm form = RowForm::training;
};

/// Refers to `encoder`, which must outlive it.
SampleEncoder make_sample_encoder(const RowEncoder& encoder);

/// What one block of rows became. Both in file order.
struct RowBatch {
  std::vector<CachedSample> samples;
  std::vector<CachedRejection> rejections;
};

/// Reads and encodes the lines of a block. A row without a single token to train on cannot change
/// the model and is rejected as "no trained tokens".
RowBatch encode_block(const DataFile& file, const RowBlock& block, std::int64_t line_ends_before,
                      const SampleEncoder& encoder, RowEncoder::Scratch& scratch);

/// As bytes, for the way to the rank that writes the cache, and back.
void append_bytes(const RowBatch& batch, std::string& bytes);
/// Takes one batch from the front of `bytes`.
RowBatch take_batch(std::string_view& bytes);

}  // namespace longhaul
