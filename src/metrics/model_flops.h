#pragma once

#include <cstdint>

namespace longhaul {

/// What the FLOP count of a step depends on; sums are over all ranks.
struct ModelFlopsInput {
  std::int64_t layer_matmul_parameters = 0;  // weights multiplied per token, all layers together
  std::int64_t head_parameters = 0;          // vocabulary * hidden
  std::int64_t layers = 0;
  std::int64_t query_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t tokens = 0;                  // of documents, no padding
  std::int64_t head_rows = 0;               // rows that went through the vocabulary head
  std::int64_t sum_of_squared_lengths = 0;  // sum over documents of length^2
};

/// Floating point operations that the model needs for one training step, forward and backward:
///
///   6 * P * T + 6 * P_head * R + 6 * L * Hq * D * sum(len_i^2)
///
/// A weight costs one multiply-add per token forward and two backward (6 operations). Causal
/// attention multiplies two matrices of len^2 / 2 elements by D per head forward, twice that
/// backward: 2 * len^2 * D + 4 * len^2 * D. Embedding look-ups, norms, softmax, padding and
/// recomputation are not counted, so that two programs' numbers can be compared.
double training_flops(const ModelFlopsInput& input);

}  // namespace longhaul
