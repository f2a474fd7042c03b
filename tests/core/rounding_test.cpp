#include "core/rounding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace longhaul {
namespace {

TEST(Rounding, ToTheNextMultiple) {
  EXPECT_EQ(ceil_div(0, 4), 0);
  EXPECT_EQ(ceil_div(1, 4), 1);
  EXPECT_EQ(ceil_div(4, 4), 1);
  EXPECT_EQ(ceil_div(5, 4), 2);
  EXPECT_EQ(ceil_div(-3, 4), 0);
  EXPECT_EQ(round_up(std::size_t{0}, 256), 0U);
  EXPECT_EQ(round_up(std::size_t{255}, 256), 256U);
  EXPECT_EQ(round_up(std::int64_t{257}, 256), 512);
}

TEST(Rounding, TheLargestValueDoesNotOverflow) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(ceil_div(kMost, 2), kMost / 2 + 1);
  EXPECT_EQ(ceil_div(kMost, kMost), 1);
}

}  // namespace
}  // namespace longhaul
