#pragma once

#include "compute/cpu/simd/vector.h"

namespace longhaul::cpu::LONGHAUL_SIMD {

/// e^x with a relative error below 2e-7. x below -87.68 gives 0, x above 88.37 infinity, NaN NaN.
///
/// x = n ln 2 + r with |r| <= ln(2)/2; e^r = 1 + r + r^2 q(r), q of degree 4 interpolating at the
/// Chebyshev nodes (error 1.1e-8); 2^n goes into the exponent bits.
inline Vec exp(Vec x) {
  constexpr float kLow = -88.0F;   // n = -127: the exponent bits are those of zero
  constexpr float kHigh = 88.72F;  // n = 128: the exponent bits are those of infinity
  constexpr float kLog2e = 0x1.715476p+0F;
  constexpr float kRound = 0x1.8p23F;  // adding it leaves the nearest integer in the low bits
  constexpr float kLn2High = 0x1.62ep-1F;
  constexpr float kLn2Low = 0x1.0bfbe8p-15F;

  x = max(splat(kLow), min(splat(kHigh), x));
  const Vec shifted = x * kLog2e + kRound;
  const Vec n = shifted - kRound;
  const Vec r = (x - n * kLn2High) - n * kLn2Low;
  Vec q = splat(0x1.6d113cp-10F);
  q = q * r + 0x1.120ba2p-7F;
  q = q * r + 0x1.55551ap-5F;
  q = q * r + 0x1.5554dcp-3F;
  q = q * r + 0.5F;
  const Vec power = (q * r * r + r) + 1.0F;
  const UnsignedVec scale = ((UnsignedVec)shifted << 23) + 0x3f800000U;
  return power * (Vec)scale;
}

}  // namespace longhaul::cpu::LONGHAUL_SIMD
