#pragma once

#include "compute/cpu/simd/exp.h"

namespace longhaul::cpu::LONGHAUL_SIMD {

inline float maximum_of(const float* x, std::int64_t n, float start) {
  constexpr int kChains = 4;
  Vec best[kChains];
  for (int c = 0; c < kChains; ++c) best[c] = splat(start);
  std::int64_t i = 0;
  for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
    for (int c = 0; c < kChains; ++c) best[c] = max(load(x, Whole{i + c * kLanes}), best[c]);
  }
  for_vectors(n - i,
              [&](auto part) LONGHAUL_INLINE { best[0] = max(load(x + i, part, start), best[0]); });
  return max_lane(max(max(best[0], best[1]), max(best[2], best[3])));
}

inline void fill_zero(float* x, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) x[i] = 0.0F;
}

/// x becomes exp(x - shift); returns the sum.
inline double exp_and_sum(float* x, float shift, std::int64_t n) {
  LaneSum sum;
  for_vectors(n, [&](auto part) LONGHAUL_INLINE {
    const Vec e = exp(load(x, part, -__builtin_inff()) - shift);
    store(x, part, e);
    sum.add(e);
  });
  return sum.total();
}

inline float softmax_tile_row(float* scores, std::int64_t visible, std::int64_t cols,
                              float* maximum, double* sum) {
  const float before = *maximum;
  const float now = maximum_of(scores, visible, before);
  const double added = exp_and_sum(scores, now, visible);
  fill_zero(scores, visible, cols);
  const float correction = now == before ? 1.0F : exp(splat(before - now))[0];
  *maximum = now;
  *sum = *sum * static_cast<double>(correction) + added;
  return correction;
}

inline void softmax_backward_row(float* scores, float* dp, float lse, float delta,
                                 std::int64_t visible, std::int64_t cols) {
  for_vectors(visible, [=](auto part) LONGHAUL_INLINE {
    const Vec p = exp(load(scores, part) - lse);
    store(scores, part, p);
    store(dp, part, p * (load(dp, part) - delta));
  });
  fill_zero(scores, visible, cols);
  fill_zero(dp, visible, cols);
}

inline void max_and_exp_sum(const float* x, std::int64_t n, float* maximum, double* sum) {
  const float infinity = __builtin_inff();
  const float best = maximum_of(x, n, -infinity);
  LaneSum total;
  // Without this a row of -infinity (or an empty one) would be NaN.
  const float shift = best == -infinity ? 0.0F : best;
  for_vectors(n,
              [&](auto part) LONGHAUL_INLINE { total.add(exp(load(x, part, -infinity) - shift)); });
  *maximum = best;
  *sum = total.total();
}

inline void scaled_exp(float* x, float shift, float factor, std::int64_t n) {
  for_vectors(
      n, [=](auto part) LONGHAUL_INLINE { store(x, part, exp(load(x, part) - shift) * factor); });
}

}  // namespace longhaul::cpu::LONGHAUL_SIMD
