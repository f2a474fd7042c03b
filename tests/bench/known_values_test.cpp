#include "bench/known_values.h"

#include <gtest/gtest.h>

#include "core/tensor/convert.h"

namespace longhaul::bench {
namespace {

std::vector<float> floats(DType dtype, std::int64_t count, const DeviceValues::Values& values) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * size_of(dtype));
  values(0, count, bytes.data());
  std::vector<float> out(static_cast<std::size_t>(count));
  convert_values(bytes.data(), dtype, out.data(), DType::f32, count);
  return out;
}

TEST(KnownValues, SumsAreExactInAnyOrder) {
  constexpr std::int64_t kCount = 25'000;  // more than twice the period
  for (const int ranks : {1, 2, 3, 8, 96, 200, 256, 300, 700}) {
    SCOPED_TRACE(ranks);
    const KnownValues known(DType::bf16, ranks, KnownValues::Use::sum);
    std::vector<float> total(kCount, 0.0F);
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<float> input =
          floats(DType::bf16, kCount,
                 [&](auto begin, auto count, auto* out) { known.input(rank, begin, count, out); });
      for (std::size_t i = 0; i < total.size(); ++i) {
        ASSERT_GE(input[i], ranks > 256 ? 0.0F : 1.0F);
        total[i] += input[i];
      }
    }
    for (const DType dtype : {DType::bf16, DType::f32}) {
      const KnownValues same(dtype, ranks, KnownValues::Use::sum);
      const std::vector<float> sum = floats(
          dtype, kCount, [&](auto begin, auto count, auto* out) { same.sum(begin, count, out); });
      EXPECT_EQ(sum, total);
    }
    // No partial sum is larger, and bfloat16 has all integers up to 256.
    EXPECT_LE(*std::max_element(total.begin(), total.end()), 256.0F);
    EXPECT_GT(*std::min_element(total.begin(), total.end()), 0.0F);
  }
}

TEST(KnownValues, RanksAndPlacesDiffer) {
  constexpr std::int64_t kCount = 10'000;
  const KnownValues known(DType::f32, 3, KnownValues::Use::move);
  const auto input = [&](int rank, std::int64_t begin) {
    return floats(DType::f32, kCount, [&](std::int64_t from, std::int64_t count, std::byte* out) {
      known.input(rank, begin + from, count, out);
    });
  };
  const auto alike = [](const std::vector<float>& a, const std::vector<float>& b) {
    std::int64_t count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) count += a[i] == b[i] ? 1 : 0;
    return count;
  };
  const std::vector<float> first = input(0, 0);
  EXPECT_EQ(alike(first, input(0, 0)), kCount);
  EXPECT_LT(alike(first, input(1, 0)), kCount / 100);
  for (const std::int64_t shift : {1, 16, 4096, 1 << 20}) {
    EXPECT_LT(alike(first, input(0, shift)), kCount / 100) << shift;
  }
  const std::vector<float> later = input(0, 500);
  EXPECT_TRUE(std::equal(first.begin() + 500, first.end(), later.begin()));
}

class DeviceValuesTest : public testing::Test {
 protected:
  static void count_up(std::int64_t begin, std::int64_t count, std::byte* out) {
    for (std::int64_t i = 0; i < count; ++i) {
      const auto value = static_cast<float>(begin + i);
      convert_values(&value, DType::f32, out + i * 4, DType::f32, 1);
    }
  }

  Backend backend_ = make_cpu_backend(1);
  RandomData data_{backend_};
  DeviceValues values_{backend_};
  // More than the staging buffer holds at once.
  Tensor tensor_ = data_.uninitialised(DType::f32, 1, (std::int64_t{1} << 21) + 1000);
};

TEST_F(DeviceValuesTest, FilledIsEqual) {
  values_.fill(tensor_, count_up);
  EXPECT_EQ(tensor_.as<float>()[0], 0.0F);
  EXPECT_EQ(tensor_.as<float>()[(1 << 21) + 999], static_cast<float>((1 << 21) + 999));
  EXPECT_EQ(values_.compare(tensor_, count_up).wrong, 0);
}

TEST_F(DeviceValuesTest, EveryWrongElementIsCountedAndTheFirstIsTold) {
  values_.fill(tensor_, count_up);
  const std::int64_t last = tensor_.view.size() - 1;
  tensor_.as<float>()[last] = 7.0F;
  Difference difference = values_.compare(tensor_, count_up);
  EXPECT_EQ(difference.wrong, 1);
  EXPECT_EQ(difference.first, last);
  EXPECT_EQ(difference.value, 7.0F);
  EXPECT_EQ(difference.expected, static_cast<float>(last));
  tensor_.as<float>()[12] = std::numeric_limits<float>::quiet_NaN();
  difference = values_.compare(tensor_, count_up);
  EXPECT_EQ(difference.wrong, 2);
  EXPECT_EQ(difference.first, 12);
}

}  // namespace
}  // namespace longhaul::bench
