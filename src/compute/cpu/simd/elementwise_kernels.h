#pragma once

#include "compute/cpu/kernels.h"
#include "compute/cpu/simd/vector.h"

namespace longhaul::cpu::LONGHAUL_SIMD {

inline void add(const float* x, float* y, std::int64_t n) {
  for_vectors(n, [=](auto part) LONGHAUL_INLINE { store(y, part, load(y, part) + load(x, part)); });
}

inline void scale(float* x, float factor, std::int64_t n) {
  for_vectors(n, [=](auto part) LONGHAUL_INLINE { store(x, part, load(x, part) * factor); });
}

inline void scaled_copy(const float* x, float factor, float* y, std::int64_t n) {
  for_vectors(n, [=](auto part) LONGHAUL_INLINE { store(y, part, load(x, part) * factor); });
}

inline float dot(const float* a, const float* b, std::int64_t n) {
  LaneSum sum;
  for_vectors(n, [&](auto part) LONGHAUL_INLINE { sum.add(load(a, part) * load(b, part)); });
  return static_cast<float>(sum.total());
}

/// Exact squares in fp64, eight independent chains.
inline double sum_of_squares(const float* x, std::int64_t n) {
  constexpr int kChains = 4;
  DoubleVec low[kChains] = {};
  DoubleVec high[kChains] = {};
  std::int64_t i = 0;
  for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
    for (int c = 0; c < kChains; ++c) {
      const Vec v = load(x, Whole{i + c * kLanes});
      const DoubleVec a = low_half(v);
      const DoubleVec b = high_half(v);
      low[c] += a * a;
      high[c] += b * b;
    }
  }
  double sum = 0.0;
  for (int c = 0; c < kChains; ++c) sum += sum_lanes(low[c] + high[c]);
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

inline void column_sums(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t n,
                        float* sums) {
  constexpr std::int64_t kColumns = 128;
  constexpr std::int64_t kRun = 16;  // rows added in fp32 before they join the fp64 sum
  for (std::int64_t first = 0; first < n; first += kColumns) {
    const std::int64_t cols = n - first < kColumns ? n - first : kColumns;
    double total[kColumns] = {};
    for (std::int64_t row = 0; row < rows; row += kRun) {
      const std::int64_t end = rows - row < kRun ? rows : row + kRun;
      float run[kColumns] = {};
      for (std::int64_t r = row; r < end; ++r) {
        const float* const from = x + r * stride + first;
        for (std::int64_t c = 0; c < cols; ++c) run[c] += from[c];
      }
      for (std::int64_t c = 0; c < kColumns; ++c) total[c] += static_cast<double>(run[c]);
    }
    for (std::int64_t c = 0; c < cols; ++c) {
      sums[first + c] = static_cast<float>(static_cast<double>(sums[first + c]) + total[c]);
    }
  }
}

inline void adamw(const AdamWScalars& s, const float* grad, float* master, float* exp_avg,
                  float* exp_avg_sq, float* weight, std::int64_t n) {
  const AdamWScalars c = s;
  for_vectors(n, [=](auto part) LONGHAUL_INLINE {
    const Vec g = load(grad, part) * c.grad_scale;
    const Vec m = load(exp_avg, part) * c.beta1 + g * c.one_minus_beta1;
    const Vec v = load(exp_avg_sq, part) * c.beta2 + g * g * c.one_minus_beta2;
    const Vec p = load(master, part);
    const Vec direction = m * c.inv_bias1 / (sqrt(v * c.inv_bias2) + c.epsilon);
    const Vec updated = p - (direction + p * c.weight_decay) * c.learning_rate;
    store(exp_avg, part, m);
    store(exp_avg_sq, part, v);
    store(master, part, updated);
    store(weight, part, updated);
  });
}

}  // namespace longhaul::cpu::LONGHAUL_SIMD
