#include "kernels/sum_of_squares.h"
#include "kernels/support/reduce_fp64.cuh"

namespace longhaul::kernels {
namespace {

__device__ __forceinline__ void add_squares(const PackF32& pack, double& sum) {
#pragma unroll
  for (int i = 0; i < PackF32::kSize; ++i) {
    const auto value = static_cast<double>(pack.values[i]);
    sum = fma(value, value, sum);
  }
}

struct Squares {
  const float* x;
  PackSplit split;

  __device__ __forceinline__ double operator()(std::int64_t thread, std::int64_t threads) const {
    constexpr int kSteps = 4;  // loads in flight, and chains of additions
    const float* const body = x + split.head;
    double sums[kSteps] = {};
    std::int64_t i = thread;
    for (; i + (kSteps - 1) * threads < split.packs; i += kSteps * threads) {
      PackF32 packs[kSteps];
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        packs[step] = load_pack_streaming(body + (i + step * threads) * PackF32::kSize);
      }
#pragma unroll
      for (int step = 0; step < kSteps; ++step) add_squares(packs[step], sums[step]);
    }
    for (; i < split.packs; i += threads) {
      add_squares(load_pack_streaming(body + i * PackF32::kSize), sums[0]);
    }
    for (std::int64_t j = thread; j < split.head; j += threads) add(x[j], sums[1]);
    for (std::int64_t j = split.tail() + thread; j < split.count; j += threads) add(x[j], sums[2]);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

 private:
  static __device__ __forceinline__ void add(float value, double& sum) {
    sum = fma(static_cast<double>(value), static_cast<double>(value), sum);
  }
};

}  // namespace

std::size_t sum_of_squares_scratch_bytes() { return sum_scratch_bytes(); }

void sum_of_squares(const float* x, std::int64_t count, double* result, void* scratch,
                    std::size_t scratch_bytes, cudaStream_t stream) {
  sum_terms(Squares{x, PackSplit::of(x, count)}, count, result, scratch, scratch_bytes,
            "sum_of_squares", stream);
}

}  // namespace longhaul::kernels
