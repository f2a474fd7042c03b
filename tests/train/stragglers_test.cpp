#include "train/stragglers.h"

#include <gtest/gtest.h>

namespace longhaul {
namespace {

std::vector<RankStep> steps_of(const std::vector<double>& seconds) {
  std::vector<RankStep> ranks;
  for (const double value : seconds) ranks.push_back({0, 0, value});
  return ranks;
}

const std::vector<std::string> kHosts{"north", "north", "south", "south"};

TEST(StragglerWatch, NamesARankAfterThreeSlowStepsThenSeldom) {
  StragglerWatch watch(1.5, 1, kHosts);
  std::vector<int> told;
  for (int step = 1; step <= 30; ++step) {
    const auto spread = watch.add(step, steps_of({1.0, 1.1, 0.9, 2.0}));
    ASSERT_TRUE(spread);
    EXPECT_EQ(spread->slowest_rank, 3);
    EXPECT_DOUBLE_EQ(spread->slowest_seconds, 2.0);
    EXPECT_DOUBLE_EQ(spread->median_seconds, 1.0);
    ASSERT_EQ(spread->stragglers.size(), 1U);
    EXPECT_EQ(spread->stragglers[0].host, "south");
    EXPECT_EQ(spread->stragglers[0].steps, step);
    EXPECT_DOUBLE_EQ(spread->stragglers[0].ratio, 2.0);
    const std::string text = watch.take_message();
    if (text.empty()) continue;
    told.push_back(step);
    EXPECT_NE(text.find("rank 3 on south is slow"), std::string::npos) << text;
    EXPECT_NE(text.find("2.0 times the median"), std::string::npos) << text;
    EXPECT_NE(text.find(fmt::format("for {} steps in a row", step)), std::string::npos) << text;
  }
  EXPECT_EQ(told, (std::vector{3, 6, 12, 24}));
}

TEST(StragglerWatch, AQuickStepEndsTheRow) {
  StragglerWatch watch(1.5, 1, kHosts);
  for (int step = 1; step <= 30; ++step) {
    const double slow = step % 3 == 0 ? 1.0 : 2.0;
    ASSERT_TRUE(watch.add(step, steps_of({1.0, 1.0, slow, 1.0})));
    EXPECT_EQ(watch.take_message(), "");
  }
}

TEST(StragglerWatch, LooksAtTheStepsOfAnIntervalTogether) {
  StragglerWatch watch(1.5, 4, kHosts);
  for (int step = 6; step <= 12; ++step) {  // resumed in the middle of an interval
    const double slow = step % 2 == 0 ? 0.5 : 3.5;
    const auto spread = watch.add(step, steps_of({slow, 1.0, 1.0, 1.0}));
    ASSERT_EQ(spread.has_value(), step % 4 == 0) << step;
    if (!spread) continue;
    EXPECT_EQ(spread->stragglers.at(0).rank, 0);
  }
  EXPECT_NE(watch.take_message().find("for 7 steps in a row"), std::string::npos);
}

TEST(StragglerWatch, TwoRanksAreComparedWithTheFasterOne) {
  StragglerWatch watch(1.5, 1, {"north", "south"});
  const auto spread = watch.add(1, steps_of({1.0, 1.6}));
  ASSERT_TRUE(spread);
  ASSERT_EQ(spread->stragglers.size(), 1U);
  EXPECT_EQ(spread->stragglers[0].rank, 1);
}

TEST(StragglerWatch, MillisecondsAreNothing) {
  StragglerWatch watch(1.5, 1, kHosts);
  const auto spread = watch.add(1, steps_of({0.001, 0.001, 0.001, 0.015}));
  ASSERT_TRUE(spread);
  EXPECT_TRUE(spread->stragglers.empty());
}

TEST(StragglerWatch, IsOffWithFactorZeroAndAlone) {
  EXPECT_FALSE(StragglerWatch(0.0, 1, kHosts).add(1, steps_of({1, 1, 1, 9})));
  EXPECT_FALSE(StragglerWatch(1.5, 1, {"north"}).add(1, steps_of({1})));
}

}  // namespace
}  // namespace longhaul
