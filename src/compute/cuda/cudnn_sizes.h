#pragma once

// Memory of the backward pass, and how many heads it takes at a time. Host arithmetic only.

#include <cstddef>
#include <cstdint>

#include "compute/backend.h"
#include "compute/cuda/cudnn_shape.h"
#include "core/arena.h"

namespace longhaul::cudnn {

/// What the calls of a backward pass are planned for.
struct BackwardSizes {
  std::int64_t tokens = 0;  // rows of q
  std::int64_t keys = 0;    // rows of k and v
  int kv_heads = 0;         // of one call; divides the number of key/value heads
};

/// Our temporaries, and where cuDNN's workspace begins.
struct BackwardScratch {
  float* lse_rows = nullptr;  // [tokens, heads] fp32
  std::byte* dq = nullptr;    // [tokens, query heads of a call * D] BF16
  std::byte* dk = nullptr;    // [keys, kv heads of a call * D] BF16
  std::byte* dv = nullptr;    // like dk
  std::byte* plan = nullptr;  // the rest
  std::size_t plan_bytes = 0;
};

/// More than cuDNN's own workspace of any plan, beside what the frontend reserves: 9.19 asks for
/// about 450 bytes an entry of the batch, whatever the heads and lengths are.
inline constexpr std::size_t kOwnBytes = std::size_t{4} << 20;

/// Query heads of one call.
[[nodiscard]] int query_heads(const BackwardSizes& sizes, const AttentionHeads& heads);

/// What cudnn-frontend reserves for a backward plan besides cuDNN's own workspace: dq in fp32, the
/// row sums of dO * O, and with grouped heads dk and dv of every query head (BF16, at fp32's size).
[[nodiscard]] std::size_t frontend_bytes(const PlanShape& shape);

/// Shape of the backward calls apart from mask, batch, lengths and the strides of q, k, v, o, d_o.
[[nodiscard]] PlanShape backward_shape(const BackwardSizes& sizes, const AttentionHeads& heads);

/// All of it, kOwnBytes included.
[[nodiscard]] std::size_t backward_bytes(const BackwardSizes& sizes, const AttentionHeads& heads);

/// As many heads at a time as `most_bytes` allow, at least one key/value head.
[[nodiscard]] BackwardSizes backward_sizes(std::int64_t tokens, std::int64_t keys,
                                           const AttentionHeads& heads, std::size_t most_bytes);

/// Takes our temporaries from the arena; the plan's part is what remains of `bytes`.
[[nodiscard]] BackwardScratch backward_scratch(const BackwardSizes& sizes,
                                               const AttentionHeads& heads, Arena& arena,
                                               std::size_t bytes);

/// A multiple of an eighth of the number's leading power of two: few distinct sizes, at most an
/// eighth too large.
[[nodiscard]] std::int64_t rounded_rows(std::int64_t rows);

}  // namespace longhaul::cudnn
