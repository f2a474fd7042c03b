#include "metrics/humanize.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace longhaul {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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
