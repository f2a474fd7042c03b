#include <algorithm>

#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {
namespace {

// Weight gradients of this many groups are added in fp32 before they join the fp64 sum.
constexpr std::int64_t kRunLength = 32;

std::int64_t group_width(const ConstMatrixView& x, int groups, const char* op) {
  LONGHAUL_CHECK(groups > 0 && x.cols % groups == 0, "{}: {} columns in {} groups", op, x.cols,
                 groups);
  return x.cols / groups;
}

/// sums [n] += run [n], and run becomes zero.
void flush_run(float* run, double* sums, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    sums[i] += static_cast<double>(run[i]);
    run[i] = 0.0F;
  }
}

}  // namespace

void CpuOps::rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                              MatrixView y, float* inv_rms) {
  check_matrix(x, x.rows, x.cols, "rms_norm_forward", "x");
  check_matrix(y, x.rows, x.cols, "rms_norm_forward", "y");
  const std::int64_t width = group_width(x, groups, "rms_norm_forward");
  const auto* const w = static_cast<const float*>(weight);
  parallel_rows(threads_, x.rows, x.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (int group = 0; group < groups; ++group) {
        inv_rms[row * groups + group] = kernels_.rms_norm_forward(
            row_of(x, row) + group * width, w, epsilon, row_of(y, row) + group * width, width);
      }
    }
  });
}

void CpuOps::rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups,
                               const void* weight, const float* inv_rms, MatrixView dx,
                               AccumulateMode write, float* dweight) {
  check_matrix(x, x.rows, x.cols, "rms_norm_backward", "x");
  check_matrix(dy, x.rows, x.cols, "rms_norm_backward", "dy");
  check_matrix(dx, x.rows, x.cols, "rms_norm_backward", "dx");
  const std::int64_t width = group_width(x, groups, "rms_norm_backward");
  const auto* const w = static_cast<const float*>(weight);
  const bool accumulate = write == AccumulateMode::accumulate;

  const std::size_t partial_size = static_cast<std::size_t>(threads_) * width;
  partial_sums_.assign(std::max(partial_sums_.size(), partial_size), 0.0);
  run_sums_.assign(std::max(run_sums_.size(), partial_size), 0.0F);
  parallel_parts(threads_, threads_, x.rows, [&](int part, std::int64_t begin, std::int64_t end) {
    double* const sums = partial_sums_.data() + part * width;
    float* const run = run_sums_.data() + part * width;
    std::int64_t run_length = 0;
    for (std::int64_t row = begin; row < end; ++row) {
      for (int group = 0; group < groups; ++group) {
        const std::int64_t at = group * width;
        kernels_.rms_norm_backward(row_of(dy, row) + at, row_of(x, row) + at, w,
                                   inv_rms[row * groups + group], row_of(dx, row) + at, accumulate,
                                   run, width);
        if (++run_length == kRunLength) {
          flush_run(run, sums, width);
          run_length = 0;
        }
      }
    }
    flush_run(run, sums, width);
  });
  for (std::int64_t i = 0; i < width; ++i) {
    double sum = 0.0;
    for (int part = 0; part < threads_; ++part) sum += partial_sums_[part * width + i];
    dweight[i] = static_cast<float>(static_cast<double>(dweight[i]) + sum);
  }
}

}  // namespace longhaul::cpu
