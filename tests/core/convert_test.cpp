#include "core/tensor/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/error.h"

namespace longhaul {
namespace {

/// The value of a 16-bit pattern by the definition of its format: an independent reference.
double value_of(std::uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int sign = bits >> 15;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  double value = 0.0;
  if (exponent == (1 << exponent_bits) - 1) {
    value = mantissa == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  } else {
    value = std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  }
  return sign != 0 ? -value : value;
}

struct Format {
  DType dtype;
  int exponent_bits;
  int mantissa_bits;
};

class SixteenBits : public testing::TestWithParam<Format> {
 protected:
  std::vector<std::uint16_t> all_patterns() const {
    std::vector<std::uint16_t> patterns(1 << 16);
    for (std::size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<std::uint16_t>(i);
    return patterns;
  }
  [[nodiscard]] double value(std::uint16_t bits) const {
    return value_of(bits, GetParam().exponent_bits, GetParam().mantissa_bits);
  }
  std::uint16_t rounded(float number) const {
    std::uint16_t bits = 0;
    convert_values(&number, DType::f32, &bits, GetParam().dtype, 1);
    return bits;
  }
};

TEST_P(SixteenBits, EveryPatternWidensExactlyAndComesBack) {
  const std::vector<std::uint16_t> patterns = all_patterns();
  std::vector<float> wide(patterns.size());
  std::vector<std::uint16_t> back(patterns.size());
  const auto count = static_cast<std::int64_t>(patterns.size());
  convert_values(patterns.data(), GetParam().dtype, wide.data(), DType::f32, count);
  convert_values(wide.data(), DType::f32, back.data(), GetParam().dtype, count);
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    const double expected = value(patterns[i]);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(wide[i])) << i;
      EXPECT_TRUE(std::isnan(value(back[i]))) << i;
    } else {
      ASSERT_EQ(static_cast<double>(wide[i]), expected) << i;
      ASSERT_EQ(std::signbit(wide[i]), std::signbit(expected)) << i;
      ASSERT_EQ(back[i], patterns[i]) << i;
    }
  }
}

TEST_P(SixteenBits, RoundsToNearestTiesToEven) {
  const int infinity = ((1 << GetParam().exponent_bits) - 1) << GetParam().mantissa_bits;
  for (int i = 0; i + 1 < infinity; ++i) {  // all pairs of finite neighbours
    const auto lower = static_cast<std::uint16_t>(i);
    const auto upper = static_cast<std::uint16_t>(i + 1);
    const auto middle = static_cast<float>((value(lower) + value(upper)) / 2);  // exact
    const float below = std::nextafter(middle, 0.0F);
    const float above = std::nextafter(middle, std::numeric_limits<float>::infinity());
    ASSERT_EQ(rounded(middle), i % 2 == 0 ? lower : upper) << i;
    ASSERT_EQ(rounded(below), lower) << i;
    ASSERT_EQ(rounded(above), upper) << i;
    ASSERT_EQ(rounded(-middle), 0x8000 | (i % 2 == 0 ? lower : upper)) << i;
  }
  // The largest finite value and the point half a step above it, where infinity begins.
  const auto largest = static_cast<std::uint16_t>(infinity - 1);
  const double step = value(largest) - value(static_cast<std::uint16_t>(largest - 1));
  const auto limit = static_cast<float>(value(largest) + step / 2);
  EXPECT_EQ(rounded(limit), infinity);
  EXPECT_EQ(rounded(std::nextafter(limit, 0.0F)), largest);
  EXPECT_EQ(rounded(std::numeric_limits<float>::infinity()), infinity);
}

INSTANTIATE_TEST_SUITE_P(Formats, SixteenBits,
                         testing::Values(Format{DType::bf16, 8, 7}, Format{DType::f16, 5, 10}),
                         [](const auto& info) { return std::string(name_of(info.param.dtype)); });

TEST(Convert, NeedsNoAlignment) {
  const float values[] = {1.0F, -2.5F, 3.25F};
  std::vector<std::byte> source(sizeof(values) + 1);
  std::memcpy(source.data() + 1, values, sizeof(values));
  std::vector<std::byte> target(3 * 2 + 1);
  convert_values(source.data() + 1, DType::f32, target.data() + 1, DType::bf16, 3);
  float back[3];
  convert_values(target.data() + 1, DType::bf16, back, DType::f32, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(back[i], values[i]);
}

TEST(Convert, EqualTypesKeepEveryBit) {
  const std::uint32_t nan_with_payload = 0x7f812345U;  // a signalling NaN
  std::uint32_t copy = 0;
  convert_values(&nan_with_payload, DType::f32, &copy, DType::f32, 1);
  EXPECT_EQ(copy, nan_with_payload);
}

TEST(Convert, BetweenTheSixteenBitFormats) {
  const std::uint16_t bf16_one_and_a_half = 0x3fc0;
  std::uint16_t f16 = 0;
  convert_values(&bf16_one_and_a_half, DType::bf16, &f16, DType::f16, 1);
  EXPECT_EQ(f16, 0x3e00);
}

TEST(Convert, DtypeNames) {
  EXPECT_EQ(parse_weight_dtype("bfloat16", "--dtype"), DType::bf16);
  EXPECT_EQ(parse_weight_dtype("float32", "--dtype"), DType::f32);
  EXPECT_EQ(parse_weight_dtype("float16", "--dtype"), DType::f16);
  try {
    parse_weight_dtype("bf16", "--dtype");
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "--dtype: 'bf16' is no dtype for weights; choose bfloat16, float32 or float16");
  }
}

}  // namespace
}  // namespace longhaul
