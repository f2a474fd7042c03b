#include "metrics/time_left.h"

#include <gtest/gtest.h>

namespace longhaul {
namespace {

TEST(TimeLeft, NothingIsKnownBeforeTheFirstStep) {
  EXPECT_FALSE(TimeLeft().seconds(10).has_value());
}

TEST(TimeLeft, FirstStepCountsOnlyWhileItIsAlone) {
  TimeLeft left;
  left.add(30.0, 30.0);
  EXPECT_DOUBLE_EQ(left.seconds(10).value(), 300.0);
  left.add(1.0, 1.0);
  EXPECT_DOUBLE_EQ(left.seconds(10).value(), 10.0);
}

TEST(TimeLeft, OneDisturbedStepChangesNothing) {
  TimeLeft left;
  for (int i = 0; i < 10; ++i) left.add(1.0, 1.0);
  left.add(60.0, 60.0);
  EXPECT_DOUBLE_EQ(left.seconds(5).value(), 5.0);
}

TEST(TimeLeft, LastingChangeIsFollowed) {
  TimeLeft left;
  for (int i = 0; i < 100; ++i) left.add(1.0, 1.0);
  for (int i = 0; i < 31; ++i) left.add(2.0, 2.0);
  EXPECT_DOUBLE_EQ(left.seconds(5).value(), 10.0);
}

TEST(TimeLeft, EvaluationsAndCheckpointsAreSpreadOverTheSteps) {
  TimeLeft left;
  for (int i = 1; i <= 20; ++i) left.add(1.0, i % 10 == 0 ? 6.0 : 1.0);  // 5 s every 10 steps
  EXPECT_DOUBLE_EQ(left.seconds(100).value(), 150.0);
  EXPECT_DOUBLE_EQ(left.seconds(0).value(), 0.0);
}

}  // namespace
}  // namespace longhaul
