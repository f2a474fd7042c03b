#pragma once

#include "compute/cpu/simd/exp.h"

namespace longhaul::cpu::LONGHAUL_SIMD {

inline Vec sigmoid(Vec x) { return 1.0F / (1.0F + exp(-x)); }

inline void swiglu_forward(const float* gate, const float* up, float* act, std::int64_t n) {
  for_vectors(n, [=](auto part) LONGHAUL_INLINE {
    const Vec g = load(gate, part);
    store(act, part, g * sigmoid(g) * load(up, part));
  });
}

/// silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g).
inline void swiglu_backward(float* dact, const float* gate, const float* up, float* dgate,
                            float* dup, std::int64_t n) {
  for_vectors(n, [=](auto part) LONGHAUL_INLINE {
    const Vec g = load(gate, part);
    const Vec u = load(up, part);
    const Vec d = load(dact, part);
    const Vec s = sigmoid(g);
    store(dgate, part, d * u * (s * (1.0F + g * (1.0F - s))));
    store(dup, part, d * (g * s));
    store(dact, part, g * s * u);
  });
}

}  // namespace longhaul::cpu::LONGHAUL_SIMD
