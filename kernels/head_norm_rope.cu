#include <cuda_bf16.h>

#include <algorithm>

#include "core/cuda_check.h"
#include "kernels/column_sums.h"
#include "kernels/head_norm_rope.h"
#include "kernels/support/head_chunks.cuh"
#include "kernels/support/team.cuh"

namespace longhaul::kernels {
namespace {

using bf16 = __nv_bfloat16;

constexpr int kThreads = 256;
constexpr std::int64_t kBackwardBlocks = 2 * kMultiprocessors;

/// The units of a chunk that a thread holds, zeros where it has none.
struct ChunkUnits {
  HalvesUnit heads[kChunkHeads];
};

/// `from`: the thread's columns of the chunk's first head.
__device__ __forceinline__ ChunkUnits load_chunk(const bf16* from, int half, int heads) {
  ChunkUnits units;
#pragma unroll
  for (int h = 0; h < kChunkHeads; ++h) {
    if (h >= heads) continue;
    units.heads[h].low = load_unit_streaming<8>(from + h * 2 * half);
    units.heads[h].high = load_unit_streaming<8>(from + h * 2 * half + half);
  }
  return units;
}

/// Weights as floats: 16 registers that are used for every head.
struct HalvesWeight {
  float low[8];
  float high[8];
};
__device__ __forceinline__ HalvesWeight load_weight(const bf16* from, int half, bool there) {
  HalvesUnit units;
  if (there) {
    units.low = load_unit_anywhere(from);
    units.high = load_unit_anywhere(from + half);
  }
  HalvesWeight weight;
  unpack(units.low, weight.low);
  unpack(units.high, weight.high);
  return weight;
}

template <int kLanes>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const bf16* x, std::int64_t x_stride, HeadChunks chunks, const bf16* weight,
                   float epsilon, const std::int32_t* positions, const float* cos, const float* sin,
                   bf16* y, std::int64_t y_stride, float* inv_rms) {
  const LaneTeam<kLanes> team;
  const int half = chunks.half();
  const int col = team.rank() * 8;
  const bool there = team.first() < chunks.count() && col < half;
  const HeadPlace at = chunks.place(team.first());
  const int heads = there ? chunks.heads() - at.head : 0;  // at most kChunkHeads of them are ours
  const std::int64_t first_col = static_cast<std::int64_t>(at.head) * 2 * half + col;
  const ChunkUnits units = load_chunk(x + at.row * x_stride + first_col, half, heads);
  const std::int64_t position = __ldg(positions + at.row);
  const Angles angles = load_angles(cos, sin, position * half + (there ? col : 0));
  const HalvesWeight w = load_weight(weight + col, half, there);

  // Turning commutes with the norm's scale, so it need not wait for it.
  float low[kChunkHeads][8];
  float high[kChunkHeads][8];
  float inv[kChunkHeads];
#pragma unroll
  for (int h = 0; h < kChunkHeads; ++h) {
    unpack(units.heads[h].low, low[h]);
    unpack(units.heads[h].high, high[h]);
    float squares = 0.0F;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      squares += low[h][i] * low[h][i] + high[h][i] * high[h][i];
      low[h][i] *= w.low[i];
      high[h][i] *= w.high[i];
      turn(low[h][i], high[h][i], angles.cos[i], angles.sin[i]);
    }
    inv[h] = rsqrtf(team.sum(squares) * chunks.inv_dim() + epsilon);
  }
#pragma unroll
  for (int h = 0; h < kChunkHeads; ++h) {
    if (h >= heads) continue;
    if (col == 0) inv_rms[at.row * chunks.heads() + at.head + h] = inv[h];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      low[h][i] *= inv[h];
      high[h][i] *= inv[h];
    }
    bf16* const to = y + at.row * y_stride + first_col + h * 2 * half;
    store_unit(to, pack<bf16>(low[h]));
    store_unit(to + half, pack<bf16>(high[h]));
  }
}

/// Turned back, dy is the gradient of the norm's output. From there, with s = inv_rms:
/// dx = s w dy - x s^3 mean(w dy x), dweight += dy x s.
template <int kLanes>
__global__ void __launch_bounds__(kThreads, 2)
    backward_kernel(bf16* dy, std::int64_t dy_stride, const bf16* x, std::int64_t x_stride,
                    HeadChunks chunks, const bf16* weight, const float* inv_rms,
                    const std::int32_t* positions, const float* cos, const float* sin,
                    float* partial) {
  const LaneTeam<kLanes> team;
  const int half = chunks.half();
  const int col = team.rank() * 8;
  const HalvesWeight w = load_weight(weight + col, half, col < half);
  float dweight[16] = {};

  for (std::int64_t chunk = team.first(); team.any(chunk < chunks.count());
       chunk += team.stride()) {
    const bool there = chunk < chunks.count() && col < half;
    const HeadPlace at = chunks.place(chunk);
    const int heads = there ? chunks.heads() - at.head : 0;
    const std::int64_t first_col = static_cast<std::int64_t>(at.head) * 2 * half + col;
    bf16* const gradients = dy + at.row * dy_stride + first_col;
    const std::int64_t position = __ldg(positions + at.row);
    const ChunkUnits dy_units = load_chunk(gradients, half, heads);
    const ChunkUnits x_units = load_chunk(x + at.row * x_stride + first_col, half, heads);
    float inv[kChunkHeads];
#pragma unroll
    for (int h = 0; h < kChunkHeads; ++h) {
      inv[h] = h < heads ? __ldg(inv_rms + at.row * chunks.heads() + at.head + h) : 0.0F;
    }
    const Angles angles = load_angles(cos, sin, position * half + (there ? col : 0));

#pragma unroll
    for (int h = 0; h < kChunkHeads; ++h) {
      float low[8];
      float high[8];
      float x_low[8];
      float x_high[8];
      unpack(dy_units.heads[h].low, low);
      unpack(dy_units.heads[h].high, high);
      unpack(x_units.heads[h].low, x_low);
      unpack(x_units.heads[h].high, x_high);
      float along = 0.0F;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        turn(low[i], high[i], angles.cos[i], -angles.sin[i]);
        dweight[i] += low[i] * x_low[i] * inv[h];
        dweight[8 + i] += high[i] * x_high[i] * inv[h];
        low[i] *= w.low[i];
        high[i] *= w.high[i];
        along += low[i] * x_low[i] + high[i] * x_high[i];
      }
      const float pull = team.sum(along) * chunks.inv_dim() * inv[h] * inv[h] * inv[h];
      if (h >= heads) continue;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        low[i] = low[i] * inv[h] - x_low[i] * pull;
        high[i] = high[i] * inv[h] - x_high[i] * pull;
      }
      store_unit(gradients + h * 2 * half, pack<bf16>(low));
      store_unit(gradients + h * 2 * half + half, pack<bf16>(high));
    }
  }
  float* const to = partial + static_cast<std::int64_t>(blockIdx.x) * 2 * half;
  sum_teams<kLanes, kThreads>(dweight, [=](int rank, int i, float sum) {
    const int at = rank * 8 + i % 8;
    if (at < half) to[i < 8 ? at : half + at] = sum;
  });
}

/// Item i is head i % heads of row i / heads.
struct HeadItems {
  HeadItems(std::int64_t rows, int heads, std::int64_t head_dim)
      : per_row(heads),
        count(rows * heads),
        half(head_dim / 2),
        inv_dim(1.0F / static_cast<float>(head_dim)) {}

  Divider per_row;
  std::int64_t count;
  std::int64_t half;
  float inv_dim;
};

/// Any head size and alignment: a block a head, which is read twice.
__global__ void forward_any_kernel(const bf16* x, std::int64_t x_stride, HeadItems items,
                                   const bf16* weight, float epsilon, const std::int32_t* positions,
                                   const float* cos, const float* sin, bf16* y,
                                   std::int64_t y_stride, float* inv_rms) {
  BlockTeam team;
  const std::int64_t half = items.half;
  for (std::int64_t item = team.first(); item < items.count; item += team.stride()) {
    std::int64_t row = 0;
    std::int64_t head = 0;
    items.per_row.divide(item, row, head);
    const bf16* const from = x + row * x_stride + head * 2 * half;
    bf16* const to = y + row * y_stride + head * 2 * half;
    float squares = 0.0F;
    for (std::int64_t i = team.rank(); i < 2 * half; i += team.size()) {
      const float value = __bfloat162float(from[i]);
      squares += value * value;
    }
    const float inv = rsqrtf(team.sum(squares) * items.inv_dim + epsilon);
    if (team.rank() == 0) inv_rms[item] = inv;
    for (std::int64_t i = team.rank(); i < half; i += team.size()) {
      const std::int64_t angle = positions[row] * half + i;
      float low = __bfloat162float(from[i]) * (inv * __bfloat162float(weight[i]));
      float high = __bfloat162float(from[half + i]) * (inv * __bfloat162float(weight[half + i]));
      turn(low, high, cos[angle], sin[angle]);
      to[i] = __float2bfloat16_rn(low);
      to[half + i] = __float2bfloat16_rn(high);
    }
  }
}

/// Any head size and alignment. The block's row of partial [gridDim.x, D] is its accumulator: each
/// thread has its own columns of it.
__global__ void backward_any_kernel(bf16* dy, std::int64_t dy_stride, const bf16* x,
                                    std::int64_t x_stride, HeadItems items, const bf16* weight,
                                    const float* inv_rms, const std::int32_t* positions,
                                    const float* cos, const float* sin, float* partial) {
  BlockTeam team;
  const std::int64_t half = items.half;
  float* const dweight = partial + static_cast<std::int64_t>(blockIdx.x) * 2 * half;
  for (std::int64_t i = team.rank(); i < half; i += team.size()) {
    dweight[i] = 0.0F;
    dweight[half + i] = 0.0F;
  }
  for (std::int64_t item = team.first(); item < items.count; item += team.stride()) {
    std::int64_t row = 0;
    std::int64_t head = 0;
    items.per_row.divide(item, row, head);
    bf16* const gradients = dy + row * dy_stride + head * 2 * half;
    const bf16* const from = x + row * x_stride + head * 2 * half;
    const float inv = inv_rms[item];
    const auto turned_back = [&](std::int64_t i, float& low, float& high) {
      const std::int64_t angle = positions[row] * half + i;
      low = __bfloat162float(gradients[i]);
      high = __bfloat162float(gradients[half + i]);
      turn(low, high, cos[angle], -sin[angle]);
    };
    float along = 0.0F;
    for (std::int64_t i = team.rank(); i < half; i += team.size()) {
      float low = 0.0F;
      float high = 0.0F;
      turned_back(i, low, high);
      const float low_product = low * __bfloat162float(from[i]);
      const float high_product = high * __bfloat162float(from[half + i]);
      along += __bfloat162float(weight[i]) * low_product +
               __bfloat162float(weight[half + i]) * high_product;
      dweight[i] += low_product * inv;
      dweight[half + i] += high_product * inv;
    }
    const float pull = team.sum(along) * items.inv_dim * inv * inv * inv;
    for (std::int64_t i = team.rank(); i < half; i += team.size()) {
      float low = 0.0F;
      float high = 0.0F;
      turned_back(i, low, high);
      gradients[i] = __float2bfloat16_rn(low * __bfloat162float(weight[i]) * inv -
                                         __bfloat162float(from[i]) * pull);
      gradients[half + i] = __float2bfloat16_rn(high * __bfloat162float(weight[half + i]) * inv -
                                                __bfloat162float(from[half + i]) * pull);
    }
  }
}

int threads_for_any(std::int64_t half) {
  return static_cast<int>(std::min<std::int64_t>(round_up(half, kWarpSize), kThreads));
}

}  // namespace

void head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight, float epsilon,
                            const std::int32_t* positions, const RopeTable& table, MatrixView y,
                            float* inv_rms, cudaStream_t stream) {
  check_view(x, DType::bf16, x.rows, x.cols, "head_norm_rope_forward", "x");
  check_view(y, DType::bf16, x.rows, x.cols, "head_norm_rope_forward", "y");
  const std::int64_t head_dim = check_heads(x.cols, heads, "head_norm_rope_forward");
  if (x.size() == 0) return;
  const auto* const w = static_cast<const bf16*>(weight);
  if (halves_are_aligned(x, head_dim, table) && is_aligned(y, 8)) {
    const HeadChunks chunks(x.rows, heads, head_dim);
    by_lanes(head_dim, [&]<int kLanes>() {
      const auto blocks = static_cast<unsigned>(ceil_div(chunks.count(), kThreads / kLanes));
      forward_kernel<kLanes>
          <<<blocks, kThreads, 0, stream>>>(x.as<bf16>(), x.stride, chunks, w, epsilon, positions,
                                            table.cos, table.sin, y.as<bf16>(), y.stride, inv_rms);
    });
  } else {
    const HeadItems items(x.rows, heads, head_dim);
    const unsigned blocks = grid_size(items.count, 1, 16 * kMultiprocessors);
    forward_any_kernel<<<blocks, threads_for_any(items.half), 0, stream>>>(
        x.as<bf16>(), x.stride, items, w, epsilon, positions, table.cos, table.sin, y.as<bf16>(),
        y.stride, inv_rms);
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("head_norm_rope_forward");
}

std::size_t head_norm_rope_backward_scratch_bytes(std::int64_t head_dim) {
  return static_cast<std::size_t>(kBackwardBlocks * head_dim) * sizeof(float);
}

void head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads, const void* weight,
                             const float* inv_rms, const std::int32_t* positions,
                             const RopeTable& table, float* dweight, void* scratch,
                             std::size_t scratch_bytes, cudaStream_t stream) {
  check_view(x, DType::bf16, x.rows, x.cols, "head_norm_rope_backward", "x");
  check_view(dy, DType::bf16, x.rows, x.cols, "head_norm_rope_backward", "dy");
  const std::int64_t head_dim = check_heads(x.cols, heads, "head_norm_rope_backward");
  if (x.size() == 0) return;
  check_scratch(scratch, scratch_bytes, head_norm_rope_backward_scratch_bytes(head_dim),
                "head_norm_rope_backward");
  const auto* const w = static_cast<const bf16*>(weight);
  auto* const partial = static_cast<float*>(scratch);
  unsigned blocks = 0;
  if (halves_are_aligned(x, head_dim, table) && is_aligned(dy, 8)) {
    const HeadChunks chunks(x.rows, heads, head_dim);
    by_lanes(head_dim, [&]<int kLanes>() {
      blocks = grid_size(chunks.count(), kThreads / kLanes, kBackwardBlocks);
      backward_kernel<kLanes><<<blocks, kThreads, 0, stream>>>(
          dy.as<bf16>(), dy.stride, x.as<bf16>(), x.stride, chunks, w, inv_rms, positions,
          table.cos, table.sin, partial);
    });
  } else {
    const HeadItems items(x.rows, heads, head_dim);
    blocks = grid_size(items.count, 1, kBackwardBlocks);
    backward_any_kernel<<<blocks, threads_for_any(items.half), 0, stream>>>(
        dy.as<bf16>(), dy.stride, x.as<bf16>(), x.stride, items, w, inv_rms, positions, table.cos,
        table.sin, partial);
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("head_norm_rope_backward");
  add_partial_rows(partial, blocks, head_dim, dweight, stream);
}

}  // namespace longhaul::kernels
