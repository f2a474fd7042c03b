#include "plan/layout_advice.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace longhaul {
namespace {

ModelConfig config_with_heads(std::int64_t heads, std::int64_t kv_heads) {
  ModelConfig config;
  config.num_heads = heads;
  config.num_kv_heads = kv_heads;
  config.intermediate_size = 25600;
  return config;
}

TEST(ChooseLayout, UsualSizesWhenWorldAndModelAllow) {
  const LayoutAdvice advice = choose_layout(64, 0, 0, config_with_heads(64, 8));
  EXPECT_EQ(advice.layout, (ParallelLayout{8, 4, 2}));
  EXPECT_NE(advice.reason.find("tp 8, cp 4, dp 2"), std::string::npos) << advice.reason;
}

TEST(ChooseLayout, LargestTpThatDividesElse) {
  EXPECT_EQ(choose_layout(4, 0, 0, config_with_heads(64, 8)).layout, (ParallelLayout{4, 1, 1}));
  EXPECT_EQ(choose_layout(6, 0, 0, config_with_heads(4, 2)).layout, (ParallelLayout{2, 1, 3}));
  EXPECT_EQ(choose_layout(32, 0, 0, config_with_heads(4, 2)).layout, (ParallelLayout{2, 1, 16}));
  EXPECT_EQ(choose_layout(1, 0, 0, config_with_heads(14, 2)).layout, (ParallelLayout{1, 1, 1}));
}

TEST(ChooseLayout, KeepsWhatTheUserGave) {
  const LayoutAdvice both = choose_layout(8, 2, 2, config_with_heads(64, 8));
  EXPECT_EQ(both.layout, (ParallelLayout{2, 2, 2}));
  EXPECT_TRUE(both.reason.empty());
  EXPECT_EQ(choose_layout(8, 2, 0, config_with_heads(64, 8)).layout, (ParallelLayout{2, 4, 1}));
  EXPECT_EQ(choose_layout(8, 0, 2, config_with_heads(64, 8)).layout, (ParallelLayout{4, 2, 1}));
}

TEST(ChooseLayout, RefusesWhatDoesNotDivide) {
  EXPECT_THROW(choose_layout(6, 4, 1, config_with_heads(64, 8)), UserError);
  EXPECT_THROW(choose_layout(6, 0, 4, config_with_heads(64, 8)), UserError);
}

}  // namespace
}  // namespace longhaul
