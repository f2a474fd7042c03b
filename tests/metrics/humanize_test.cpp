#include "metrics/humanize.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

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

TEST(Sparkline, FollowsTheCurve) {
  const std::vector<double> falling{8, 7, 6, 5, 4, 3, 2, 1};
  EXPECT_EQ(sparkline(falling, 8, Charset::utf8), "█▇▆▅▄▃▂▁");
  EXPECT_EQ(sparkline(falling, 8, Charset::ascii), "#*=~-,._");
  EXPECT_EQ(sparkline(falling, 4, Charset::ascii).size(), 4U);
  EXPECT_EQ(sparkline(falling, 2, Charset::ascii), "#_");
}

TEST(Sparkline, LeavesOutWhatIsNotFinite) {
  const std::vector<double> values{2, kNan, 1};
  EXPECT_EQ(sparkline(values, 8, Charset::ascii), "#_");
  EXPECT_EQ(sparkline(std::vector<double>{kNan}, 8, Charset::ascii), "");
}

TEST(Sparkline, FlatCurveIsFlat) {
  EXPECT_EQ(sparkline(std::vector<double>{3, 3, 3}, 8, Charset::ascii), "~~~");
}

TEST(ProgressBar, HasTheAskedWidth) {
  for (const double share : {-1.0, 0.0, 0.03, 0.5, 0.999, 1.0, 7.0, kNan}) {
    EXPECT_EQ(display_width(progress_bar(share, 20, Charset::utf8)), 20U) << share;
    EXPECT_EQ(display_width(progress_bar(share, 20, Charset::ascii)), 20U) << share;
  }
  EXPECT_EQ(progress_bar(0.5, 12, Charset::ascii), "[#####-----]");
  EXPECT_EQ(progress_bar(1.0, 4, Charset::utf8), "▕██▏");
  EXPECT_EQ(progress_bar(0.5, 2, Charset::ascii), "");
}

TEST(DisplayWidth, WideCharactersAndCuts) {
  EXPECT_EQ(display_width("loss"), 4U);
  EXPECT_EQ(display_width("数据"), 4U);
  EXPECT_EQ(cut_to_width("数据", 3), "数");
  EXPECT_EQ(cut_to_width("█▇▆", 2), "█▇");
  EXPECT_EQ(display_width("\xff\xfe"), 2U) << "bytes that are no UTF-8 still advance";
}

}  // namespace
}  // namespace longhaul
