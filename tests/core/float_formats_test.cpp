#include "core/tensor/float_formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace longhaul {
namespace {

/// The value of a 16-bit float from its definition.
double value_of(std::uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  }
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias)
                               : std::ldexp(1.0 + fraction, exponent - bias));
}

TEST(FloatFormats, EveryBit16PatternWidensExactly) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const double half = value_of(bits, 5, 10);
    const double brain = value_of(bits, 8, 7);
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(bits)));
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f16_to_f32(bits)))));
    } else {
      EXPECT_EQ(f16_to_f32(bits), half);
      EXPECT_EQ(f32_to_f16(f16_to_f32(bits)), bits);
    }
    if (std::isnan(brain)) {
      EXPECT_TRUE(std::isnan(bf16_to_f32(bits)));
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(bf16_to_f32(bits)))));
    } else {
      EXPECT_EQ(bf16_to_f32(bits), brain);
      EXPECT_EQ(f32_to_bf16(bf16_to_f32(bits)), bits);
    }
  }
}

TEST(FloatFormats, RoundsToNearestTiesToEven) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(value)) continue;
    for (const bool half : {false, true}) {
      const std::uint16_t bits = half ? f32_to_f16(value) : f32_to_bf16(value);
      const int exponent_bits = half ? 5 : 8;
      const int mantissa_bits = half ? 10 : 7;
      if ((bits & 0x7fff) == ((1 << 15) - (1 << mantissa_bits))) continue;  // overflow: below
      const double error = std::abs(value_of(bits, exponent_bits, mantissa_bits) - value);
      for (const int step : {-1, 1}) {
        const int neighbour_bits = (bits & 0x7fff) + step;
        if (neighbour_bits < 0) continue;
        const auto neighbour = static_cast<std::uint16_t>((bits & 0x8000) | neighbour_bits);
        const double other = value_of(neighbour, exponent_bits, mantissa_bits);
        if (!std::isfinite(other)) continue;
        const double other_error = std::abs(other - value);
        ASSERT_LE(error, other_error) << value;
        if (error == other_error) {
          ASSERT_EQ(bits & 1, 0) << value;
        }
      }
    }
  }
}

TEST(FloatFormats, OverflowBecomesInfinity) {
  EXPECT_EQ(f32_to_f16(65519.0F), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e10F), 0xfc00);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(f32_to_bf16(-std::numeric_limits<float>::infinity()), 0xff80);
}

}  // namespace
}  // namespace longhaul
