#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "comm/process_grid.h"
#include "core/tensor/attention_shape.h"

namespace longhaul {

/// One sample in host memory that someone else owns, length >= 1. weights[i] is the loss weight of
/// predicting tokens[i] from tokens[0..i); weights[0] is ignored, as nothing predicts the first.
struct Document {
  const std::int32_t* tokens = nullptr;  // [length]
  const float* weights = nullptr;        // [length]
  std::int64_t length = 0;
};

/// What one rank needs of one micro-batch, in host memory.
///
/// The documents lie end to end in a stream, padded at its end to T tokens. The stream is cut into
/// 2 * cp equal chunks and CP rank r owns chunks r and 2 * cp - 1 - r, in this order: its local
/// rows. Causal attention grows along a document, so one early and one late chunk balance the work.
/// Example, cp 2 and T 16: rank 0 owns tokens 0..3 and 12..15, rank 1 owns 4..11.
struct MicroBatch {
  std::int64_t stream_tokens = 0;  // T, a multiple of 2 * cp * tp
  std::int64_t local_tokens = 0;   // T / cp

  std::vector<std::int32_t> ids;        // [local_tokens]; padding is id 0
  std::vector<std::int32_t> positions;  // [local_tokens], restarting at each document and at the
                                        // padding, which is a document of its own

  // Local rows whose next token, in the same document, has a weight other than zero. The next token
  // may lie on another rank.
  std::vector<std::int32_t> loss_rows;  // ascending
  std::vector<std::int32_t> targets;    // [loss_rows]: that next token
  std::vector<float> target_weights;    // [loss_rows]: its weight

  /// Local queries (rows of this rank) against the keys of the whole stream (in stream order). They
  /// cover every local row once, in ascending order; no key lies outside the query's document.
  std::vector<AttentionSegment> segments;

  // Of the whole stream, equal on all TP and CP ranks; padding is not counted.
  std::int64_t real_tokens = 0;
  std::int64_t trained_tokens = 0;  // tokens that are the target of some loss row
  std::int64_t documents = 0;
  std::int64_t sum_squared_lengths = 0;
  double weight_sum = 0.0;  // of the target weights
};

/// The length of the stream that holds `tokens` tokens: the next multiple of 2 * cp * tp, which is
/// also the least for no token at all.
std::int64_t padded_stream_tokens(std::int64_t tokens, const ParallelLayout& layout);

/// Overwrites `batch` with the share of CP rank `cp_rank`. `documents` may be empty: then there is
/// only padding and no loss (a data-parallel rank without packs in a short last step). max_tokens
/// is the longest padded stream that buffers were planned for; exceeding it is an InternalError.
/// The first call takes the memory of all arrays for max_tokens, so later calls with it allocate
/// nothing.
void fill_micro_batch(std::span<const Document> documents, const ParallelLayout& layout,
                      int cp_rank, std::int64_t max_tokens, MicroBatch& batch);

}  // namespace longhaul
