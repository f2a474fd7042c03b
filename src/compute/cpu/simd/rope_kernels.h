#pragma once

#include "compute/cpu/simd/vector.h"

namespace longhaul::cpu::LONGHAUL_SIMD {

inline void rope(float* x, int heads, std::int64_t half, const float* cos, const float* sin,
                 float sign) {
  for (int head = 0; head < heads; ++head) {
    float* const first = x + head * 2 * half;
    float* const second = first + half;
    for_vectors(half, [=](auto part) LONGHAUL_INLINE {
      const Vec a = load(first, part);
      const Vec b = load(second, part);
      const Vec c = load(cos, part);
      const Vec s = load(sin, part) * sign;
      store(first, part, a * c - b * s);
      store(second, part, b * c + a * s);
    });
  }
}

}  // namespace longhaul::cpu::LONGHAUL_SIMD
