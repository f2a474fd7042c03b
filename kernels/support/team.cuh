#pragma once

#include <cstdint>

#include "kernels/support/reduce.cuh"

namespace longhaul::kernels {

// Threads that work on one item (a row, or one head of a row) together. A kernel loops
//   for (std::int64_t item = team.first(); team.any(item < count); item += team.stride())
// with the bound tested by any(): teams that share a warp have to reach sum() together, so one may
// pass through the body with an item that is not there.

/// kLanes neighbouring lanes of a warp. Blocks are whole warps.
template <int kLanes>
class LaneTeam {
 public:
  static_assert(kLanes >= 1 && kLanes <= kWarpSize && kWarpSize % kLanes == 0);
  static constexpr int kSize = kLanes;

  __device__ int rank() const { return static_cast<int>(threadIdx.x) % kLanes; }
  __device__ int size() const { return kLanes; }
  __device__ std::int64_t first() const {
    return (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kLanes;
  }
  __device__ std::int64_t stride() const {
    return static_cast<std::int64_t>(gridDim.x) * (blockDim.x / kLanes);
  }
  __device__ bool any(bool condition) const { return __any_sync(0xffffffffU, condition) != 0; }
  /// On every thread of the team.
  __device__ __forceinline__ float sum(float value) const {
#pragma unroll
    for (int offset = kLanes / 2; offset > 0; offset /= 2) {
      value += __shfl_xor_sync(0xffffffffU, value, offset);
    }
    return value;
  }
};

/// The whole block, of whole warps.
class BlockTeam {
 public:
  __device__ BlockTeam() {
    __shared__ float partial[2 * kWarpSize];
    partial_ = partial;
  }
  __device__ int rank() const { return static_cast<int>(threadIdx.x); }
  __device__ int size() const { return static_cast<int>(blockDim.x); }
  __device__ std::int64_t first() const { return blockIdx.x; }
  __device__ std::int64_t stride() const { return gridDim.x; }
  __device__ bool any(bool condition) const { return condition; }  // the same on every thread
  /// On every thread of the team.
  __device__ __forceinline__ float sum(float value) {
    value = warp_sum(value);
    if (blockDim.x == kWarpSize) return value;
    // Two buffers in turn: one barrier is enough, since nobody writes the buffer being read before
    // everyone has come to the next sum's barrier.
    float* const buffer = partial_ + turn_ * kWarpSize;
    turn_ ^= 1;
    const unsigned lane = threadIdx.x % kWarpSize;
    if (lane == 0) buffer[threadIdx.x / kWarpSize] = value;
    __syncthreads();
    return warp_sum(lane < blockDim.x / kWarpSize ? buffer[lane] : 0.0F);
  }

 private:
  float* partial_;
  int turn_ = 0;
};

/// Adds what the teams of a block hold: `values` of equal ranks, over all LaneTeam<kLanes> of a
/// block of kThreads, in a fixed order. Calls store(rank, index, sum) once for each of them.
template <int kLanes, int kThreads, int kValues, typename Store>
__device__ __forceinline__ void sum_teams(float (&values)[kValues], Store&& store) {
  constexpr int kWarps = kThreads / kWarpSize;
  __shared__ float partial[kWarps][kValues][kLanes];
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
#pragma unroll
    for (int offset = kLanes; offset < kWarpSize; offset *= 2) {
      values[i] += __shfl_xor_sync(0xffffffffU, values[i], offset);
    }
    if (lane < kLanes) partial[threadIdx.x / kWarpSize][i][lane] = values[i];
  }
  __syncthreads();
  for (int at = static_cast<int>(threadIdx.x); at < kValues * kLanes; at += kThreads) {
    const int index = at / kLanes;
    const int rank = at % kLanes;
    float sum = 0.0F;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) sum += partial[warp][index][rank];
    store(rank, index, sum);
  }
}

}  // namespace longhaul::kernels
