#include <limits>

#include "core/cuda_check.h"
#include "kernels/cross_entropy.h"
#include "kernels/support/bf16_words.cuh"
#include "kernels/support/fast_exp.cuh"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/reduce.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kSteps = 4;  // packs in flight in a thread
constexpr int kWidth = kBf16Pack;
constexpr int kPacksPerPiece = kThreads * kSteps;

/// A row in three: elements before the first multiple of 16 bytes, packs, elements after the last.
struct RowSplit {
  int head;
  int packs;
  int tail;  // the first element behind the packs

  __device__ __forceinline__ RowSplit(const __nv_bfloat16* row, int cols) {
    const auto before = static_cast<int>(reinterpret_cast<std::uintptr_t>(row) % 16 / 2);
    head = min((kWidth - before) % kWidth, cols);
    packs = (cols - head) / kWidth;
    tail = head + packs * kWidth;
  }
};

__device__ __forceinline__ float minus_infinity() { return __int_as_float(0xff800000); }

/// What to subtract before exp: without a finite value -infinity - (-infinity) would be NaN.
__device__ __forceinline__ float shift_of(float maximum) {
  return maximum == minus_infinity() ? 0.0F : maximum;
}

/// Maximum and sum of exp(x - maximum) of the values seen so far.
struct RunningSum {
  float maximum = minus_infinity();
  float sum = 0.0F;

  __device__ __forceinline__ void raise_maximum(float to) {
    const float shift = shift_of(to);
    sum *= fast_exp(maximum - shift);
    maximum = to;
  }
  __device__ __forceinline__ void add(float x) {
    raise_maximum(fmaxf(maximum, x));
    sum += fast_exp(x - shift_of(maximum));
  }
};

__device__ __forceinline__ float maximum_of(const Bf16Words& words) {
  float best = minus_infinity();
#pragma unroll
  for (int i = 0; i < kWidth / 2; ++i) {
    const float2 pair = bf16_pair(words, i);
    best = fmaxf(best, fmaxf(pair.x, pair.y));
  }
  return best;
}

__device__ __forceinline__ float exp_sum_of(const Bf16Words& words, float shift) {
  float2 sum = {0.0F, 0.0F};
#pragma unroll
  for (int i = 0; i < kWidth / 2; ++i) {
    const float2 pair = bf16_pair(words, i);
    sum.x += fast_exp(pair.x - shift);
    sum.y += fast_exp(pair.y - shift);
  }
  return sum.x + sum.y;
}

/// One block a row.
__global__ void __launch_bounds__(kThreads, 6)
    partials_kernel(const __nv_bfloat16* logits, std::int64_t stride, int valid_cols,
                    const std::int32_t* targets, std::int64_t vocab_begin, float* partials) {
  const std::int64_t row = blockIdx.x;
  const __nv_bfloat16* const x = logits + row * stride;
  const RowSplit split(x, valid_cols);
  const auto thread = static_cast<int>(threadIdx.x);

  float target_logit = minus_infinity();
  if (thread == 0) {
    const std::int64_t target = targets[row] - vocab_begin;
    if (target >= 0 && target < valid_cols) target_logit = to_float(x[target]);
  }

  RunningSum running;
  for (int first = thread; first < split.packs; first += kPacksPerPiece) {
    Bf16Words packs[kSteps];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int pack = first + step * kThreads;
      if (pack < split.packs) packs[step] = load_bf16_words(x + split.head + pack * kWidth);
    }
    float best = running.maximum;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (first + step * kThreads < split.packs) best = fmaxf(best, maximum_of(packs[step]));
    }
    running.raise_maximum(best);
    const float shift = shift_of(best);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (first + step * kThreads < split.packs) running.sum += exp_sum_of(packs[step], shift);
    }
  }
  if (thread < split.head) running.add(to_float(x[thread]));
  if (split.tail + thread < valid_cols) running.add(to_float(x[split.tail + thread]));

  __shared__ float warp_maxima[kThreads / kWarpSize];
  const int lane = thread % kWarpSize;
  const float warp_maximum = warp_max(running.maximum);
  if (lane == 0) warp_maxima[thread / kWarpSize] = warp_maximum;
  __syncthreads();
  const float maximum =
      warp_max(lane < kThreads / kWarpSize ? warp_maxima[lane] : minus_infinity());
  running.raise_maximum(maximum);
  const float sum = block_sum<kThreads>(running.sum);
  if (thread == 0) {
    float* const partial = partials + row * kCrossEntropyPartials;
    partial[0] = maximum;
    partial[1] = sum;
    partial[2] = target_logit;
  }
}

/// One thread a row. NaN and infinities as in the CPU backend.
__global__ void __launch_bounds__(kThreads)
    combine_kernel(const float* all_partials, int parts, std::int64_t rows, float* nll,
                   float* lse) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= rows) return;
  const auto partial = [&](int part) {
    return all_partials + (part * rows + row) * kCrossEntropyPartials;
  };
  float maximum = minus_infinity();
  float target = minus_infinity();
  for (int part = 0; part < parts; ++part) {
    maximum = fmaxf(maximum, partial(part)[0]);
    // Written so that a NaN logit of the target is kept.
    if (!(partial(part)[2] <= target)) target = partial(part)[2];
  }
  double sum = 0.0;
  for (int part = 0; part < parts; ++part) {
    const float part_maximum = partial(part)[0];
    const float part_sum = partial(part)[1];
    if (part_maximum != minus_infinity()) {
      sum += part_sum * exp(static_cast<double>(part_maximum) - static_cast<double>(maximum));
    } else if (isnan(part_sum)) {
      sum = part_sum;
    }
  }
  const double log_sum = maximum + log(sum);
  nll[row] = static_cast<float>(log_sum - target);
  lse[row] = static_cast<float>(log_sum);
}

struct BackwardRow {
  float weight;
  float lse;
  int target;  // column, or one that is never met
  int valid_cols;

  __device__ __forceinline__ float gradient(float logit, int col) const {
    float value = weight * fast_exp(logit - lse);
    if (col == target) value -= weight;
    return col < valid_cols ? value : 0.0F;
  }
};

/// Grid: (rows, pieces of a row). The first piece's block also does the row's ends.
__global__ void __launch_bounds__(kThreads)
    backward_kernel(__nv_bfloat16* logits, std::int64_t stride, int cols, int valid_cols,
                    const std::int32_t* targets, std::int64_t vocab_begin, const float* weights,
                    const float* lse) {
  const std::int64_t row = blockIdx.x;
  __nv_bfloat16* const x = logits + row * stride;
  const RowSplit split(x, cols);
  const auto thread = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(blockIdx.y) * kPacksPerPiece + thread;
  Bf16Words packs[kSteps];
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int pack = first + step * kThreads;
    if (pack < split.packs) packs[step] = load_bf16_words(x + split.head + pack * kWidth);
  }
  const std::int64_t target = targets[row] - vocab_begin;
  const BackwardRow in{weights[row], lse[row],
                       target >= 0 && target < valid_cols ? static_cast<int>(target) : -1,
                       valid_cols};
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int pack = first + step * kThreads;
    if (pack >= split.packs) continue;
    const int col = split.head + pack * kWidth;
#pragma unroll
    for (int i = 0; i < kWidth / 2; ++i) {
      const float2 pair = bf16_pair(packs[step], i);
      set_bf16_pair(packs[step], i,
                    {in.gradient(pair.x, col + 2 * i), in.gradient(pair.y, col + 2 * i + 1)});
    }
    store_bf16_words(x + col, packs[step]);
  }
  if (blockIdx.y != 0) return;
  const auto one = [&](int col) {
    x[col] = from_float<__nv_bfloat16>(in.gradient(to_float(x[col]), col));
  };
  if (thread < split.head) one(thread);
  if (split.tail + thread < cols) one(split.tail + thread);
}

void check_logits(const ConstMatrixView& logits, std::int64_t valid_cols, const char* op) {
  check_view(logits, DType::bf16, logits.rows, logits.cols, op, "logits");
  LONGHAUL_CHECK(valid_cols >= 0 && valid_cols <= logits.cols &&
                     logits.cols <= std::numeric_limits<std::int32_t>::max() - kThreads,
                 "{}: {} valid columns of {}", op, valid_cols, logits.cols);
}

}  // namespace

void cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                            const std::int32_t* targets, std::int64_t vocab_begin, float* partials,
                            cudaStream_t stream) {
  check_logits(logits, valid_cols, "cross_entropy_partials");
  if (logits.rows == 0) return;
  partials_kernel<<<static_cast<unsigned>(logits.rows), kThreads, 0, stream>>>(
      logits.as<__nv_bfloat16>(), logits.stride, static_cast<int>(valid_cols), targets, vocab_begin,
      partials);
  LONGHAUL_CUDA_CHECK_LAUNCH("cross_entropy_partials");
}

void cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows, float* nll,
                           float* lse, cudaStream_t stream) {
  LONGHAUL_CHECK(parts > 0, "cross_entropy_combine: {} parts", parts);
  if (rows == 0) return;
  combine_kernel<<<static_cast<unsigned>(ceil_div(rows, kThreads)), kThreads, 0, stream>>>(
      all_partials, parts, rows, nll, lse);
  LONGHAUL_CUDA_CHECK_LAUNCH("cross_entropy_combine");
}

void cross_entropy_backward(MatrixView logits, std::int64_t valid_cols, const std::int32_t* targets,
                            std::int64_t vocab_begin, const float* weights, const float* lse,
                            cudaStream_t stream) {
  check_logits(logits, valid_cols, "cross_entropy_backward");
  if (logits.size() == 0) return;
  const dim3 grid(
      static_cast<unsigned>(logits.rows),
      static_cast<unsigned>(ceil_div(logits.cols, std::int64_t{kPacksPerPiece} * kWidth)));
  backward_kernel<<<grid, kThreads, 0, stream>>>(
      logits.as<__nv_bfloat16>(), logits.stride, static_cast<int>(logits.cols),
      static_cast<int>(valid_cols), targets, vocab_begin, weights, lse);
  LONGHAUL_CUDA_CHECK_LAUNCH("cross_entropy_backward");
}

}  // namespace longhaul::kernels
