#include "core/humanize.h"

#include <gtest/gtest.h>

#include <limits>

namespace longhaul {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Humanize, Counts) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(873), "873");
  EXPECT_EQ(human_count(999.7), "1.00k");
  EXPECT_EQ(human_count(12345), "12.3k");
  EXPECT_EQ(human_count(1720574976), "1.72B");
  EXPECT_EQ(human_count(12.34), "12.3");
  EXPECT_EQ(human_count(-1500), "-1.50k");
}

TEST(Humanize, Durations) {
  EXPECT_EQ(human_duration(0.814), "0.81 s");
  EXPECT_EQ(human_duration(38.2), "38 s");
  EXPECT_EQ(human_duration(59.6), "1 min 00 s");
  EXPECT_EQ(human_duration(125), "2 min 05 s");
  EXPECT_EQ(human_duration(3720), "1 h 02 min");
  EXPECT_EQ(human_duration(273600), "3 d 04 h");
  EXPECT_EQ(human_duration(kNan), "?");
}

TEST(Humanize, BytesAndFlops) {
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(25.0 * (1LL << 30)), "25.0 GiB");
  EXPECT_EQ(human_flops(45.2e9), "45.2 GFLOP/s");
  EXPECT_EQ(human_flops(389e12), "389 TFLOP/s");
}

TEST(Humanize, GroupedDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(grouped(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Humanize, SingularAndPlural) {
  EXPECT_EQ(counted(0, "pack"), "0 packs");
  EXPECT_EQ(counted(1, "pack"), "1 pack");
  EXPECT_EQ(counted(1234, "pack"), "1,234 packs");
  EXPECT_EQ(plural("rank", 1), "rank");
  EXPECT_EQ(plural("rank", 2), "ranks");
}

}  // namespace
}  // namespace longhaul
