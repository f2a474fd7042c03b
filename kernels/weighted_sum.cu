#include "kernels/support/reduce_fp64.cuh"
#include "kernels/weighted_sum.h"

namespace longhaul::kernels {
namespace {

struct Products {
  const float* x;
  const float* y;
  PackSplit split;

  __device__ __forceinline__ double operator()(std::int64_t thread, std::int64_t threads) const {
    constexpr int kSteps = 2;  // pairs of loads in flight
    double sums[kSteps] = {};
    std::int64_t i = thread;
    for (; i + (kSteps - 1) * threads < split.packs; i += kSteps * threads) {
      PackF32 a[kSteps];
      PackF32 b[kSteps];
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        const std::int64_t at = split.head + (i + step * threads) * PackF32::kSize;
        a[step] = load_pack(x + at);
        b[step] = load_pack(y + at);
      }
#pragma unroll
      for (int step = 0; step < kSteps; ++step) add_pack(a[step], b[step], sums[step]);
    }
    for (; i < split.packs; i += threads) {
      const std::int64_t at = split.head + i * PackF32::kSize;
      add_pack(load_pack(x + at), load_pack(y + at), sums[0]);
    }
    for (std::int64_t j = thread; j < split.head; j += threads) add(x[j], y[j], sums[0]);
    for (std::int64_t j = split.tail() + thread; j < split.count; j += threads) {
      add(x[j], y[j], sums[1]);
    }
    return sums[0] + sums[1];
  }

 private:
  static __device__ __forceinline__ void add(float a, float b, double& sum) {
    sum = fma(static_cast<double>(a), static_cast<double>(b), sum);
  }
  static __device__ __forceinline__ void add_pack(const PackF32& a, const PackF32& b, double& sum) {
#pragma unroll
    for (int i = 0; i < PackF32::kSize; ++i) add(a.values[i], b.values[i], sum);
  }
};

}  // namespace

std::size_t weighted_sum_scratch_bytes() { return sum_scratch_bytes(); }

void weighted_sum(const float* nll, const float* weights, std::int64_t rows, double* result,
                  void* scratch, std::size_t scratch_bytes, cudaStream_t stream) {
  sum_terms(Products{nll, weights, PackSplit::of(nll, weights, rows)}, rows, result, scratch,
            scratch_bytes, "weighted_sum", stream);
}

}  // namespace longhaul::kernels
