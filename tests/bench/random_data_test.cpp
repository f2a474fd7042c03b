#include "bench/random_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/tensor/float_formats.h"

namespace longhaul::bench {
namespace {

TEST(RandomBits, AreSplitMix64) {
  // The first outputs of the reference implementation with seed 0 (Steele, Lea, Flood 2014; the C
  // code at prng.di.unimi.it).
  EXPECT_EQ(random_bits(0, 0), 0xe220a8397b1dcdafU);
  EXPECT_EQ(random_bits(0, 1), 0x6e789e6aa1b965f4U);
  EXPECT_EQ(random_bits(0, 2), 0x06c45d188009454fU);
}

TEST(RandomNormal, HasMeanAndDeviation) {
  constexpr std::int64_t kCount = 200000;
  std::vector<float> values(kCount);
  random_normal(random_stream("a"), 0, kCount, {3.0, 0.5}, values.data());
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : values) {
    sum += value;
    squares += (value - 3.0) * (value - 3.0);
    EXPECT_LE(std::abs(value - 3.0), 0.5 * 3.47);
  }
  // Five standard errors of 200,000 samples: 0.5 * 5 / sqrt(200000) and about as much.
  EXPECT_NEAR(sum / kCount, 3.0, 0.006);
  EXPECT_NEAR(std::sqrt(squares / kCount), 0.5, 0.006);
}

TEST(RandomNormal, DoesNotDependOnPieces) {
  std::vector<float> whole(50000);
  random_normal(7, 0, 50000, {}, whole.data());
  std::vector<float> pieces(50000);
  random_normal(7, 0, 123, {}, pieces.data());
  random_normal(7, 123, 49877, {}, pieces.data() + 123);
  EXPECT_EQ(whole, pieces);
  std::vector<float> other(50000);
  random_normal(8, 0, 50000, {}, other.data());
  EXPECT_NE(whole, other);
}

TEST(RandomData, TensorsDifferAndAreCounted) {
  Backend backend = make_cpu_backend(1);
  RandomData data(backend);
  const Tensor a = data.matrix(DType::f32, 3, 5);
  const Tensor b = data.matrix(DType::f32, 3, 5);
  EXPECT_NE(a.as<float>()[0], b.as<float>()[0]);
  EXPECT_EQ(data.made_bytes(), 2U * 3 * 5 * 4);
  const Tensor rounded = data.matrix(DType::bf16, 1, 100000, {10.0, 1.0});
  EXPECT_EQ(rounded.bytes(), 200000);
  double sum = 0.0;
  for (int i = 0; i < 100000; ++i) sum += bf16_to_f32(rounded.as<std::uint16_t>()[i]);
  EXPECT_NEAR(sum / 100000, 10.0, 0.02);
  const std::vector<std::int32_t> ids = data.random_integers(1000, 7);
  EXPECT_EQ(*std::max_element(ids.begin(), ids.end()), 6);
  EXPECT_EQ(*std::min_element(ids.begin(), ids.end()), 0);
  const Tensor copy = data.integers(ids);
  EXPECT_TRUE(std::equal(ids.begin(), ids.end(), copy.as<std::int32_t>()));
}

}  // namespace
}  // namespace longhaul::bench
