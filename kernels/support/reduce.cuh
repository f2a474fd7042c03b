#pragma once

// Reductions over a warp and over a block. By hand: including CUB for them costs every file many
// seconds of compile time. The order of additions is fixed, so results are the same every time.

namespace longhaul::kernels {

inline constexpr int kWarpSize = 32;

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xffffffffU, value, offset);
  }
  return value;
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, offset));
  }
  return value;
}

/// Sum over the block, on every thread. kThreads: the block's size, a multiple of the warp's. The
/// scratch may be used again right after the call.
template <int kThreads>
__device__ __forceinline__ float block_sum(float value) {
  constexpr int kWarps = kThreads / kWarpSize;
  static_assert(kThreads % kWarpSize == 0 && kWarps <= kWarpSize);
  if constexpr (kWarps == 1) return warp_sum(value);
  __shared__ float partial[kWarps];
  value = warp_sum(value);
  if (threadIdx.x % kWarpSize == 0) partial[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  value = threadIdx.x % kWarpSize < kWarps ? partial[threadIdx.x % kWarpSize] : 0.0F;
  value = warp_sum(value);
  __syncthreads();
  return value;
}

}  // namespace longhaul::kernels
