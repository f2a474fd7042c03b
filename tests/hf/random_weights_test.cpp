#include "hf/random_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace longhaul {
namespace {

std::vector<float> draw(std::uint64_t seed, std::string_view tensor, std::int64_t first,
                        std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  RandomWeights(seed).normal(tensor, 0.02, first, count, values.data());
  return values;
}

// The first and the last known answer that the generator's authors publish with it.
TEST(RandomWeights, PhiloxGivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomWeights, PiecesEqualTheWhole) {
  const std::vector<float> whole = draw(7, "w", 0, 1000);
  for (const auto& [first, count] : {std::pair{0, 1}, {1, 2}, {3, 998 - 3}, {997, 3}, {4, 4}}) {
    const std::vector<float> part = draw(7, "w", first, count);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first)) << first;
  }
}

TEST(RandomWeights, SeedsAndTensorsDiffer) {
  const std::vector<float> base = draw(7, "w", 0, 64);
  EXPECT_EQ(base, draw(7, "w", 0, 64));
  for (const std::vector<float>& other :
       {draw(8, "w", 0, 64), draw(7 + (std::uint64_t{1} << 32), "w", 0, 64), draw(7, "v", 0, 64)}) {
    int equal = 0;
    for (std::size_t i = 0; i < base.size(); ++i) equal += base[i] == other[i] ? 1 : 0;
    EXPECT_EQ(equal, 0);
  }
}

TEST(RandomWeights, AreNormal) {
  constexpr std::int64_t kCount = 400'000;
  std::vector<float> values = draw(1, "model.embed_tokens.weight", 0, kCount);
  double sum = 0.0;
  double squares = 0.0;
  double fourth = 0.0;
  double neighbours = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double z = values[i] / 0.02;
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
    if (i > 0) neighbours += z * (values[i - 1] / 0.02);
  }
  // Five standard errors of each estimate: 1, sqrt(2), sqrt(96) and 1, over sqrt(count).
  const double error = 5.0 / std::sqrt(static_cast<double>(kCount));
  EXPECT_NEAR(sum / kCount, 0.0, error);
  EXPECT_NEAR(squares / kCount, 1.0, 1.42 * error);
  EXPECT_NEAR(fourth / kCount, 3.0, 9.8 * error);
  EXPECT_NEAR(neighbours / kCount, 0.0, error);
  // Kolmogorov-Smirnov: below 1.95 / sqrt(count) with probability 0.999.
  std::ranges::sort(values);
  double distance = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double cdf = 0.5 * std::erfc(-values[i] / 0.02 / std::sqrt(2.0));
    distance = std::max(distance, std::abs(cdf - (static_cast<double>(i) + 0.5) / kCount));
  }
  EXPECT_LT(distance, 1.95 / std::sqrt(static_cast<double>(kCount)));
}

}  // namespace
}  // namespace longhaul
