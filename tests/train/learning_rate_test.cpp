#include "train/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace longhaul {
namespace {

TEST(LearningRate, WarmsUpLinearlyFromAboveZero) {
  const LearningRateSchedule schedule{1e-3, 1e-4, DecayStyle::cosine, 10, 100};
  EXPECT_DOUBLE_EQ(schedule.at(1), 1e-4);
  EXPECT_DOUBLE_EQ(schedule.at(5), 5e-4);
  EXPECT_DOUBLE_EQ(schedule.at(10), 1e-3);
}

TEST(LearningRate, DecaysToTheMinimumAtTheEnd) {
  const LearningRateSchedule cosine{1e-3, 1e-4, DecayStyle::cosine, 10, 110};
  EXPECT_NEAR(cosine.at(60), (1e-3 + 1e-4) / 2, 1e-12);
  EXPECT_NEAR(cosine.at(35), 1e-4 + 0.5 * (1 + std::sqrt(0.5)) * 9e-4, 1e-12);
  EXPECT_DOUBLE_EQ(cosine.at(110), 1e-4);
  const LearningRateSchedule linear{1e-3, 0, DecayStyle::linear, 0, 10};
  EXPECT_NEAR(linear.at(4), 6e-4, 1e-15);
  EXPECT_DOUBLE_EQ(linear.at(10), 0);
  const LearningRateSchedule constant{1e-3, 0, DecayStyle::constant, 0, 10};
  EXPECT_DOUBLE_EQ(constant.at(10), 1e-3);
}

TEST(LearningRate, UnknownStyleIsNamed) {
  EXPECT_EQ(parse_decay_style("linear"), DecayStyle::linear);
  EXPECT_THROW(parse_decay_style("polynomial"), UserError);
}

}  // namespace
}  // namespace longhaul
