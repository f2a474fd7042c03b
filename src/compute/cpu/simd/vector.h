#pragma once

// Included once per instruction set, inside kernels_*.cpp, with LONGHAUL_SIMD naming the namespace.
// Nothing from the standard library may be instantiated here: the linker keeps one copy of an
// inline function, and it could be the one compiled for instructions that the processor lacks.

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifndef LONGHAUL_SIMD
#error "include this file from kernels_*.cpp only"
#endif

/// For lambdas and their callers in hot loops: sums captured by reference stay in registers.
#define LONGHAUL_INLINE __attribute__((always_inline))

namespace longhaul::cpu::LONGHAUL_SIMD {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntVec = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));
using UnsignedVec = std::uint32_t __attribute__((vector_size(kLanes * sizeof(float))));
using DoubleVec = double __attribute__((vector_size(kLanes * sizeof(float))));

/// kLanes consecutive elements.
struct Whole {
  std::int64_t at;
};
/// The last `count` < kLanes elements of an array.
struct Rest {
  std::int64_t at;
  std::int64_t count;
};

inline Vec splat(float value) { return Vec{} + value; }

inline Vec load(const float* x, Whole part, float = 0.0F) {
  Vec v;
  __builtin_memcpy(&v, x + part.at, sizeof v);
  return v;
}
/// Missing lanes are filled with `filler`.
inline Vec load(const float* x, Rest part, float filler = 0.0F) {
  float lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = i < part.count ? x[part.at + i] : filler;
  Vec v;
  __builtin_memcpy(&v, lanes, sizeof v);
  return v;
}
inline void store(float* x, Whole part, Vec v) { __builtin_memcpy(x + part.at, &v, sizeof v); }
inline void store(float* x, Rest part, Vec v) {
  for (std::int64_t i = 0; i < part.count; ++i) x[part.at + i] = v[i];
}

/// Calls f(Whole) for each full vector of n elements and f(Rest) for what is left.
template <typename F>
inline LONGHAUL_INLINE void for_vectors(std::int64_t n, F&& f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(Whole{i});
  if (i < n) f(Rest{i, n - i});
}

/// Where either is NaN, the second: so max(constant, x) keeps a NaN in x.
inline Vec max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, a, b);
#elif defined(__AVX__)
  return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}
/// Where either is NaN, the second.
inline Vec min(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xffff, a, b);
#elif defined(__AVX__)
  return _mm256_min_ps(a, b);
#elif defined(__SSE2__)
  return _mm_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

inline Vec sqrt(Vec v) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, v);
#elif defined(__AVX__)
  return _mm256_sqrt_ps(v);
#elif defined(__SSE2__)
  return _mm_sqrt_ps(v);
#else
  for (int i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

/// Lane i exchanged with lane i ^ kStep; kStep is a power of two.
template <int kStep>
inline Vec exchanged(Vec v) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(v, v, 0 ^ kStep, 1 ^ kStep, 2 ^ kStep, 3 ^ kStep, 4 ^ kStep,
                                 5 ^ kStep, 6 ^ kStep, 7 ^ kStep, 8 ^ kStep, 9 ^ kStep, 10 ^ kStep,
                                 11 ^ kStep, 12 ^ kStep, 13 ^ kStep, 14 ^ kStep, 15 ^ kStep);
#elif defined(__AVX__)
  return __builtin_shufflevector(v, v, 0 ^ kStep, 1 ^ kStep, 2 ^ kStep, 3 ^ kStep, 4 ^ kStep,
                                 5 ^ kStep, 6 ^ kStep, 7 ^ kStep);
#else
  return __builtin_shufflevector(v, v, 0 ^ kStep, 1 ^ kStep, 2 ^ kStep, 3 ^ kStep);
#endif
}

inline float max_lane(Vec v) {
  if constexpr (kLanes > 8) v = max(v, exchanged<8>(v));
  if constexpr (kLanes > 4) v = max(v, exchanged<4>(v));
  v = max(v, exchanged<2>(v));
  return max(v, exchanged<1>(v))[0];
}

/// The upper half of the lanes is added to the lower one until one lane is left.
inline double sum_lanes(DoubleVec v) {
  for (int width = kLanes / 4; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) v[i] += v[i + width];
  }
  return v[0];
}

inline DoubleVec low_half(Vec v) {
#if defined(__AVX512F__)
  return __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), DoubleVec);
#elif defined(__AVX__)
  return __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3), DoubleVec);
#else
  return __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1), DoubleVec);
#endif
}
inline DoubleVec high_half(Vec v) {
#if defined(__AVX512F__)
  return __builtin_convertvector(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15),
                                 DoubleVec);
#elif defined(__AVX__)
  return __builtin_convertvector(__builtin_shufflevector(v, v, 4, 5, 6, 7), DoubleVec);
#else
  return __builtin_convertvector(__builtin_shufflevector(v, v, 2, 3), DoubleVec);
#endif
}
inline DoubleVec widened_sum(Vec v) { return low_half(v) + high_half(v); }

/// Sums of many fp32 terms: up to kRun terms a lane are added in fp32, the runs in fp64.
/// So the relative error stays near 1e-7 however long the array is.
class LaneSum {
 public:
  static constexpr std::int64_t kRun = 8;

  void add(Vec v) {
    run_ += v;
    if (++count_ == kRun) flush();
  }
  [[nodiscard]] double total() {
    flush();
    return sum_lanes(sum_);
  }

 private:
  void flush() {
    sum_ += widened_sum(run_);
    run_ = Vec{};
    count_ = 0;
  }

  Vec run_{};
  DoubleVec sum_{};
  std::int64_t count_ = 0;
};

}  // namespace longhaul::cpu::LONGHAUL_SIMD
