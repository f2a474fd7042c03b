#pragma once

// Memory of the backward pass, and how many heads it takes at a time. Host arithmetic only.

#include <cstddef>
#include <cstdint>

#include "compute/backend.h"
#include "compute/cuda/cudnn/cudnn_shape.h"
#include "core/arena.h"

namespace longhaul::cudnn {

/// Where a call reads q, k, v, o and d_o. cuDNN 9.19 adds dq up at the offsets of q's rows, not of
/// dq's own, so both need one stride; the copies have it, and rows of few heads next to each other
/// are also read faster than out of rows of many.
enum class Operands : std::uint8_t { in_place, copied };

/// What the calls of a backward pass are planned for.
struct BackwardSizes {
  std::int64_t tokens = 0;  // rows of q
  std::int64_t keys = 0;    // rows of k and v
  int kv_heads = 0;         // of one call; divides the number of key/value heads
  Operands operands = Operands::in_place;
};

/// Our temporaries, and where cuDNN's workspace begins. Rows are contiguous; hq and hkv are the
/// heads of a call.
struct BackwardScratch {
  float* lse_rows = nullptr;  // [tokens, heads] fp32
  std::byte* dq = nullptr;    // [tokens, hq * D] BF16
  std::byte* dk = nullptr;    // [keys, hkv * D] BF16
  std::byte* dv = nullptr;    // like dk
  // Operands::copied only:
  std::byte* q = nullptr;    // like dq
  std::byte* o = nullptr;    // like dq
  std::byte* d_o = nullptr;  // like dq
  std::byte* k = nullptr;    // like dk
  std::byte* v = nullptr;    // like dk

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

/// Shape of the backward calls apart from mask, batch and lengths. The strides of q, k, v, o and
/// d_o are those of the copies.
[[nodiscard]] PlanShape backward_shape(const BackwardSizes& sizes, const AttentionHeads& heads);

/// All of it, kOwnBytes included.
[[nodiscard]] std::size_t backward_bytes(const BackwardSizes& sizes, const AttentionHeads& heads);

/// As many heads at a time as `most_bytes` allow, at least one key/value head; with copies when
/// they are asked for and when the heads are taken in parts.
[[nodiscard]] BackwardSizes backward_sizes(std::int64_t tokens, std::int64_t keys,
                                           const AttentionHeads& heads, Operands operands,
                                           std::size_t most_bytes);

/// Takes our temporaries from the arena; the plan's part is what remains of `bytes`.
[[nodiscard]] BackwardScratch backward_scratch(const BackwardSizes& sizes,
                                               const AttentionHeads& heads, Arena& arena,
                                               std::size_t bytes);

/// A multiple of an eighth of the number's leading power of two: few distinct sizes, at most an
/// eighth too large.
[[nodiscard]] std::int64_t rounded_rows(std::int64_t rows);

}  // namespace longhaul::cudnn
