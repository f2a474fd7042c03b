#pragma once

// Sums of many fp32 terms in fp64, in two launches. The number of blocks depends on the number of
// terms alone and every addition has its place, so the bits are the same every time, everywhere.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

#include "core/cuda_check.h"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/reduce.cuh"
#include "kernels/support/vector_io.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {

inline constexpr int kSumThreads = 256;
// All resident at once on an H100; also what one block can add in the end.
inline constexpr int kSumBlocks = 1024;
// Terms that a block is worth starting for.
inline constexpr std::int64_t kTermsPerBlock = kSumThreads * 32;

/// Sum over the block of kSumThreads, on thread 0.
__device__ __forceinline__ double block_sum_fp64(double value) {
  constexpr int kWarps = kSumThreads / kWarpSize;
  __shared__ double partial[kWarps];
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xffffffffU, value, offset);
  }
  if (threadIdx.x % kWarpSize == 0) partial[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  double sum = 0.0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) sum += partial[warp];
  return sum;
}

/// An array in three: elements before the first pack, packs, elements after the last.
struct PackSplit {
  std::int64_t head;   // elements 0 .. head - 1
  std::int64_t packs;  // of PackF32::kSize elements
  std::int64_t count;

  /// Of one array.
  static PackSplit of(const float* x, std::int64_t count) {
    const auto before = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(x) % 16 / 4);
    const std::int64_t head = std::min<std::int64_t>((PackF32::kSize - before) % 4, count);
    return {head, (count - head) / PackF32::kSize, count};
  }
  /// Of two arrays read side by side: no packs when they are not aligned alike.
  static PackSplit of(const float* x, const float* y, std::int64_t count) {
    const auto apart = reinterpret_cast<std::uintptr_t>(x) - reinterpret_cast<std::uintptr_t>(y);
    return apart % 16 == 0 ? of(x, count) : PackSplit{count, 0, count};
  }
  [[nodiscard]] __device__ __forceinline__ std::int64_t tail() const {
    return head + packs * PackF32::kSize;
  }
};

/// Terms: a functor for the device; terms(thread, threads) is that thread's share of the sum.
template <typename Terms>
__global__ void __launch_bounds__(kSumThreads)
    sum_terms_kernel(Terms terms, double* partials, double* result) {
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * kSumThreads;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kSumThreads + threadIdx.x;
  const double sum = block_sum_fp64(terms(thread, threads));
  if (threadIdx.x != 0) return;
  if (gridDim.x == 1) {
    *result += sum;
  } else {
    partials[blockIdx.x] = sum;
  }
}

/// partials [count] -> result [1], accumulated. One block.
static __global__ void __launch_bounds__(kSumThreads)
    sum_partials_kernel(const double* partials, int count, double* result) {
  double value = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kSumThreads) value += partials[i];
  const double sum = block_sum_fp64(value);
  if (threadIdx.x == 0) *result += sum;
}

inline std::size_t sum_scratch_bytes() { return kSumBlocks * sizeof(double); }

/// result [1] += the sum of `count` terms.
template <typename Terms>
void sum_terms(const Terms& terms, std::int64_t count, double* result, void* scratch,
               std::size_t scratch_bytes, const char* op, cudaStream_t stream) {
  LONGHAUL_CHECK(count >= 0, "{}: {} elements", op, count);
  if (count == 0) return;
  check_scratch(scratch, scratch_bytes, sum_scratch_bytes(), op);
  auto* const partials = static_cast<double*>(scratch);
  const unsigned blocks = grid_size(count, kTermsPerBlock, kSumBlocks);
  sum_terms_kernel<<<blocks, kSumThreads, 0, stream>>>(terms, partials, result);
  LONGHAUL_CUDA_CHECK_LAUNCH(op);
  if (blocks == 1) return;
  sum_partials_kernel<<<1, kSumThreads, 0, stream>>>(partials, static_cast<int>(blocks), result);
  LONGHAUL_CUDA_CHECK_LAUNCH(op);
}

}  // namespace longhaul::kernels
