#include <cuda_bf16.h>

#include "core/cuda_check.h"
#include "kernels/rope.h"
#include "kernels/support/head_chunks.cuh"
#include "kernels/support/team.cuh"

namespace longhaul::kernels {
namespace {

using bf16 = __nv_bfloat16;

constexpr int kThreads = 256;

/// `sign`: 1 turns forward, -1 back.
template <int kLanes>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(bf16* x, std::int64_t stride, HeadChunks chunks, const std::int32_t* positions,
                const float* cos, const float* sin, float sign) {
  const LaneTeam<kLanes> team;
  const int half = chunks.half();
  const int col = team.rank() * 8;
  if (team.first() >= chunks.count() || col >= half) return;
  const HeadPlace at = chunks.place(team.first());
  bf16* const from = x + at.row * stride + at.head * 2 * half + col;
  const Angles angles =
      load_angles(cos, sin, static_cast<std::int64_t>(__ldg(positions + at.row)) * half + col);
  HalvesUnit units[kChunkHeads];
#pragma unroll
  for (int h = 0; h < kChunkHeads; ++h) {
    if (at.head + h >= chunks.heads()) continue;
    units[h].low = load_unit_streaming<8>(from + h * 2 * half);
    units[h].high = load_unit_streaming<8>(from + h * 2 * half + half);
  }
#pragma unroll
  for (int h = 0; h < kChunkHeads; ++h) {
    float low[8];
    float high[8];
    unpack(units[h].low, low);
    unpack(units[h].high, high);
#pragma unroll
    for (int i = 0; i < 8; ++i) turn(low[i], high[i], angles.cos[i], sign * angles.sin[i]);
    if (at.head + h >= chunks.heads()) continue;
    store_unit(from + h * 2 * half, pack<bf16>(low));
    store_unit(from + h * 2 * half + half, pack<bf16>(high));
  }
}

/// Any head size and alignment: a thread a pair.
__global__ void __launch_bounds__(kThreads)
    rope_any_kernel(bf16* x, std::int64_t stride, std::int64_t pairs, Divider per_row,
                    Divider per_head, std::int64_t half, const std::int32_t* positions,
                    const float* cos, const float* sin, float sign) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= pairs) return;
  std::int64_t row = 0;
  std::int64_t pair_in_row = 0;
  std::int64_t head = 0;
  std::int64_t pair = 0;
  per_row.divide(index, row, pair_in_row);
  per_head.divide(pair_in_row, head, pair);
  bf16* const at = x + row * stride + head * 2 * half + pair;
  const std::int64_t angle = positions[row] * half + pair;
  float low = __bfloat162float(at[0]);
  float high = __bfloat162float(at[half]);
  turn(low, high, cos[angle], sign * sin[angle]);
  at[0] = __float2bfloat16_rn(low);
  at[half] = __float2bfloat16_rn(high);
}

}  // namespace

void rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
          RopeDirection direction, cudaStream_t stream) {
  check_view(x, DType::bf16, x.rows, x.cols, "rope", "x");
  const std::int64_t head_dim = check_heads(x.cols, heads, "rope");
  if (x.size() == 0) return;
  const float sign = direction == RopeDirection::forward ? 1.0F : -1.0F;
  if (halves_are_aligned(x, head_dim, table)) {
    const HeadChunks chunks(x.rows, heads, head_dim);
    by_lanes(head_dim, [&]<int kLanes>() {
      const auto blocks = static_cast<unsigned>(ceil_div(chunks.count(), kThreads / kLanes));
      rope_kernel<kLanes><<<blocks, kThreads, 0, stream>>>(x.as<bf16>(), x.stride, chunks,
                                                           positions, table.cos, table.sin, sign);
    });
  } else {
    const std::int64_t half = head_dim / 2;
    const std::int64_t pairs = x.size() / 2;
    const auto blocks = static_cast<unsigned>(ceil_div(pairs, kThreads));
    rope_any_kernel<<<blocks, kThreads, 0, stream>>>(x.as<bf16>(), x.stride, pairs,
                                                     Divider(x.cols / 2), Divider(half), half,
                                                     positions, table.cos, table.sin, sign);
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("rope");
}

}  // namespace longhaul::kernels
