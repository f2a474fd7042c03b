#pragma once

#include "compute/cpu/simd/vector.h"

namespace longhaul::cpu::LONGHAUL_SIMD {

inline float rms_norm_forward(const float* x, const float* weight, float epsilon, float* y,
                              std::int64_t n) {
  LaneSum squares;
  for_vectors(n, [&](auto part) LONGHAUL_INLINE {
    const Vec v = load(x, part);
    squares.add(v * v);
  });
  const double mean = squares.total() / static_cast<double>(n);
  const auto inv_rms = static_cast<float>(1.0 / __builtin_sqrt(mean + epsilon));
  for_vectors(n, [=](auto part) LONGHAUL_INLINE {
    store(y, part, load(weight, part) * (load(x, part) * inv_rms));
  });
  return inv_rms;
}

/// With s = inv_rms: y_i = w_i x_i s, ds/dx_j = -s^3 x_j / n, so
/// dx_j = s w_j dy_j - x_j s^3 / n * sum_i(w_i dy_i x_i).
inline void rms_norm_backward(const float* dy, const float* x, const float* weight, float inv_rms,
                              float* dx, bool accumulate, float* dweight, std::int64_t n) {
  LaneSum products;
  for_vectors(n, [&](auto part) LONGHAUL_INLINE {
    const Vec product = load(dy, part) * load(x, part);
    products.add(product * load(weight, part));
    store(dweight, part, load(dweight, part) + product * inv_rms);
  });
  const double cube = static_cast<double>(inv_rms) * inv_rms * inv_rms;
  const auto along = static_cast<float>(cube * products.total() / static_cast<double>(n));
  const auto gradient = [=](auto part) LONGHAUL_INLINE {
    return load(dy, part) * load(weight, part) * inv_rms - load(x, part) * along;
  };
  if (accumulate) {
    for_vectors(
        n, [=](auto part) LONGHAUL_INLINE { store(dx, part, load(dx, part) + gradient(part)); });
  } else {
    for_vectors(n, [=](auto part) LONGHAUL_INLINE { store(dx, part, gradient(part)); });
  }
}

}  // namespace longhaul::cpu::LONGHAUL_SIMD
