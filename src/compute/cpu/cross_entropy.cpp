#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void check_logits(const ConstMatrixView& logits, std::int64_t valid_cols, const char* op) {
  check_matrix(logits, logits.rows, logits.cols, op, "logits");
  LONGHAUL_CHECK(valid_cols >= 0 && valid_cols <= logits.cols, "{}: {} valid columns of {}", op,
                 valid_cols, logits.cols);
}

}  // namespace

void CpuOps::cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                                    const std::int32_t* targets, std::int64_t vocab_begin,
                                    float* partials) {
  check_logits(logits, valid_cols, "cross_entropy_partials");
  parallel_rows(threads_, logits.rows, logits.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* const x = row_of(logits, row);
      float maximum = 0.0F;
      double sum = 0.0;
      kernels_.max_and_exp_sum(x, valid_cols, &maximum, &sum);
      const std::int64_t target = targets[row] - vocab_begin;
      float* const partial = partials + row * kCrossEntropyPartials;
      partial[0] = maximum;
      partial[1] = static_cast<float>(sum);
      partial[2] = target >= 0 && target < valid_cols ? x[target] : -kInfinity;
    }
  });
}

void CpuOps::cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows,
                                   float* nll, float* lse) {
  LONGHAUL_CHECK(parts > 0, "cross_entropy_combine: {} parts", parts);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto partial = [&](int part) {
      return all_partials + (part * rows + row) * kCrossEntropyPartials;
    };
    float maximum = -kInfinity;
    float target = -kInfinity;
    for (int part = 0; part < parts; ++part) {
      maximum = std::max(maximum, partial(part)[0]);
      // Written so that a NaN logit of the target is kept.
      if (!(partial(part)[2] <= target)) target = partial(part)[2];
    }
    double sum = 0.0;
    for (int part = 0; part < parts; ++part) {
      const double shifted = static_cast<double>(partial(part)[0]) - maximum;
      // A part without any finite logit adds nothing (and -inf minus -inf would be NaN).
      if (partial(part)[0] != -kInfinity) sum += partial(part)[1] * std::exp(shifted);
      if (std::isnan(partial(part)[1])) sum = std::numeric_limits<double>::quiet_NaN();
    }
    const double log_sum = maximum + std::log(sum);
    nll[row] = static_cast<float>(log_sum - target);
    lse[row] = static_cast<float>(log_sum);
  }
}

void CpuOps::cross_entropy_backward(MatrixView logits, std::int64_t valid_cols,
                                    const std::int32_t* targets, std::int64_t vocab_begin,
                                    const float* weights, const float* lse) {
  check_logits(logits, valid_cols, "cross_entropy_backward");
  parallel_rows(threads_, logits.rows, logits.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      float* const x = row_of(logits, row);
      kernels_.scaled_exp(x, lse[row], weights[row], valid_cols);
      std::fill(x + valid_cols, x + logits.cols, 0.0F);
      const std::int64_t target = targets[row] - vocab_begin;
      if (target >= 0 && target < valid_cols) x[target] -= weights[row];
    }
  });
}

void CpuOps::weighted_sum(const float* nll, const float* weights, std::int64_t rows,
                          double* result) {
  double sum = 0.0;
  for (std::int64_t row = 0; row < rows; ++row) {
    sum += static_cast<double>(weights[row]) * static_cast<double>(nll[row]);
  }
  *result += sum;
}

}  // namespace longhaul::cpu
