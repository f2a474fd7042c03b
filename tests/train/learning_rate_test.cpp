#include "train/optimizer/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace longhaul {
namespace {

TEST(LearningRate, WarmsUpLinearlyFromAboveZero) {
  const LearningRateSchedule schedule{1e-3, 1e-4, DecayStyle::cosine, 10, 100};
  EXPECT_DOUBLE_EQ(schedule.at(0, 1), 1e-4);
  EXPECT_DOUBLE_EQ(schedule.at(4, 5), 5e-4);
  EXPECT_DOUBLE_EQ(schedule.at(9, 10), 1e-3);
  EXPECT_DOUBLE_EQ(schedule.at(10, 11), 1e-3);
  EXPECT_DOUBLE_EQ(schedule.at(8, 16), 1e-3);  // a step across the end of the warm-up
}

TEST(LearningRate, DecaysTowardsTheMinimum) {
  const LearningRateSchedule cosine{1e-3, 1e-4, DecayStyle::cosine, 10, 110};
  EXPECT_NEAR(cosine.at(60, 61), (1e-3 + 1e-4) / 2, 1e-12);
  EXPECT_NEAR(cosine.at(35, 36), 1e-4 + 0.5 * (1 + std::sqrt(0.5)) * 9e-4, 1e-12);
  EXPECT_DOUBLE_EQ(cosine.at(110, 111), 1e-4);
  const LearningRateSchedule linear{1e-3, 0, DecayStyle::linear, 0, 10};
  EXPECT_NEAR(linear.at(4, 5), 6e-4, 1e-15);
  EXPECT_NEAR(linear.at(9, 10), 1e-4, 1e-15);  // the last update still learns
  const LearningRateSchedule constant{1e-3, 0, DecayStyle::constant, 0, 10};
  EXPECT_DOUBLE_EQ(constant.at(9, 10), 1e-3);
}

TEST(LearningRate, ARunOfOneStepUsesTheFullRate) {
  for (const DecayStyle style : {DecayStyle::cosine, DecayStyle::linear, DecayStyle::constant}) {
    EXPECT_DOUBLE_EQ((LearningRateSchedule{1e-3, 0, style, 0, 5}.at(0, 5)), 1e-3);
  }
}

TEST(LearningRate, UnknownStyleIsNamed) {
  EXPECT_EQ(parse_decay_style("linear"), DecayStyle::linear);
  try {
    parse_decay_style("polynomial");
    FAIL() << "polynomial was accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("polynomial"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace longhaul
