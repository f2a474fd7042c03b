#include "compute/cuda/cudnn/cudnn_sizes.h"

#include <algorithm>
#include <bit>

namespace longhaul::cudnn {

int query_heads(const BackwardSizes& sizes, const AttentionHeads& heads) {
  return sizes.kv_heads * (heads.num_q_heads / heads.num_kv_heads);
}

std::size_t frontend_bytes(const PlanShape& shape) {
  const auto rows_of_heads = [&](std::int64_t rows) {
    return static_cast<std::size_t>(rows * shape.heads * shape.head_dim) * sizeof(float);
  };
  std::size_t bytes = rows_of_heads(shape.total_q);
  bytes += static_cast<std::size_t>(shape.total_q * shape.strides[kStats]) * sizeof(float);
  if (shape.heads != shape.kv_heads) bytes += 2 * rows_of_heads(shape.total_kv);
  return bytes;
}

PlanShape backward_shape(const BackwardSizes& sizes, const AttentionHeads& heads) {
  PlanShape shape;
  shape.direction = Direction::backward;
  shape.heads = query_heads(sizes, heads);
  shape.kv_heads = sizes.kv_heads;
  shape.head_dim = heads.head_dim;
  shape.scale = heads.scale;
  shape.total_q = sizes.tokens;
  shape.total_kv = sizes.keys;
  const std::int64_t q_cols = std::int64_t{shape.heads} * heads.head_dim;
  const std::int64_t kv_cols = std::int64_t{shape.kv_heads} * heads.head_dim;
  shape.strides[kQ] = shape.strides[kO] = shape.strides[kDO] = shape.strides[kDQ] = q_cols;
  shape.strides[kK] = shape.strides[kV] = shape.strides[kDK] = shape.strides[kDV] = kv_cols;
  shape.strides[kStats] = heads.num_q_heads;
  return shape;
}

std::size_t backward_bytes(const BackwardSizes& sizes, const AttentionHeads& heads) {
  Arena measuring;
  (void)backward_scratch(sizes, heads, measuring, 0);
  return measuring.used() + frontend_bytes(backward_shape(sizes, heads)) + kOwnBytes;
}

BackwardSizes backward_sizes(std::int64_t tokens, std::int64_t keys, const AttentionHeads& heads,
                             Operands operands, std::size_t most_bytes) {
  BackwardSizes sizes{tokens, keys, heads.num_kv_heads, operands};
  while (sizes.kv_heads > 1 && backward_bytes(sizes, heads) > most_bytes) {
    do {
      --sizes.kv_heads;
    } while (heads.num_kv_heads % sizes.kv_heads != 0);
    sizes.operands = Operands::copied;
  }
  return sizes;
}

BackwardScratch backward_scratch(const BackwardSizes& sizes, const AttentionHeads& heads,
                                 Arena& arena, std::size_t bytes) {
  const auto take = [&](std::int64_t rows, std::int64_t cols, std::size_t element,
                        const char* label) {
    return static_cast<std::byte*>(
        arena.allocate(static_cast<std::size_t>(rows * cols) * element, label));
  };
  const std::int64_t q_cols = std::int64_t{query_heads(sizes, heads)} * heads.head_dim;
  const std::int64_t kv_cols = std::int64_t{sizes.kv_heads} * heads.head_dim;
  BackwardScratch scratch;
  scratch.lse_rows = reinterpret_cast<float*>(
      take(sizes.tokens, heads.num_q_heads, sizeof(float), "attention.lse"));
  scratch.dq = take(sizes.tokens, q_cols, 2, "attention.dq");
  scratch.dk = take(sizes.keys, kv_cols, 2, "attention.dk");
  scratch.dv = take(sizes.keys, kv_cols, 2, "attention.dv");
  if (sizes.operands == Operands::copied) {
    scratch.q = take(sizes.tokens, q_cols, 2, "attention.q");
    scratch.o = take(sizes.tokens, q_cols, 2, "attention.o");
    scratch.d_o = take(sizes.tokens, q_cols, 2, "attention.d_o");
    scratch.k = take(sizes.keys, kv_cols, 2, "attention.k");
    scratch.v = take(sizes.keys, kv_cols, 2, "attention.v");
  }
  if (!arena.measuring()) {
    scratch.plan_bytes = bytes - arena.used();
    scratch.plan = static_cast<std::byte*>(arena.allocate(0, "attention.plan"));
  }
  return scratch;
}

std::int64_t rounded_rows(std::int64_t rows) {
  const auto leading = std::bit_floor(static_cast<std::uint64_t>(std::max<std::int64_t>(rows, 1)));
  const auto unit = std::max<std::int64_t>(kBlockRows, static_cast<std::int64_t>(leading / 8));
  return (rows + unit - 1) / unit * unit;
}

}  // namespace longhaul::cudnn
