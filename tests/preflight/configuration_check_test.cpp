#include "preflight/configuration_check.h"

#include <gtest/gtest.h>

#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

TEST(ComparableFlags, LeavesOutWhatAHostMayHaveToItself) {
  const Settings settings =
      comparable_flags({{"lr", "1e-5"}, {"threads", "4"}, {"gemm_cache_file", "x"}});
  EXPECT_EQ(settings, (Settings{{"--lr", "1e-5"}}));
}

TEST(ComparableModelConfig, LeavesOutWhatChangesNoNumber) {
  const std::string a = R"({"hidden_size": 8, "torch_dtype": "float32", "rope_theta": 1e4})";
  const std::string b = R"({"rope_theta": 10000.0, "transformers_version": "5", "hidden_size": 8})";
  EXPECT_EQ(comparable_model_config(a), comparable_model_config(b));
  EXPECT_NE(comparable_model_config(a), comparable_model_config(R"({"hidden_size": 9})"));
}

TEST(JudgeSettings, NamesEachDifferenceFromTheMajority) {
  const Settings usual{{"--lr", "1"}, {"--seed", "2"}};
  const Verdict verdict =
      judge_settings(seen<Settings>({{{"--lr", "1"}, {"--seed", "3"}}, usual, usual}), "do it");
  ASSERT_EQ(places(verdict), "failure 0 a");
  EXPECT_EQ(verdict.findings[0].what, "--seed is 3 here and 2 on rank 1 (b)");
  EXPECT_EQ(verdict.findings[0].remedy, "do it");
}

TEST(JudgeSettings, OfTwoRanksTheFirstIsRight) {
  const Verdict verdict = judge_settings(seen<Settings>({{{"--lr", "1"}}, {}}), "do it");
  ASSERT_EQ(places(verdict), "failure 1 b");
  EXPECT_EQ(verdict.findings[0].what, "--lr is not given here and 1 on rank 0 (a)");
}

TEST(JudgeSettings, CountsManyDifferences) {
  Settings other;
  for (const char* const name : {"--a", "--b", "--c", "--d", "--e"}) other.emplace(name, "1");
  const Verdict verdict = judge_settings(seen<Settings>({{}, other}), "do it");
  ASSERT_EQ(verdict.findings.size(), 1U);
  EXPECT_TRUE(contains(verdict.findings[0].what, "and 2 more")) << verdict.findings[0].what;
  EXPECT_EQ(places(judge_settings(seen<Settings>({other, other}), "do it")), "");
}

}  // namespace
}  // namespace longhaul::preflight
