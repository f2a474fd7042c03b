#include "preflight/group_check.h"

#include <gtest/gtest.h>

#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

GroupSpeed speed(std::vector<int> ranks, double seconds, const std::string& name = "tp") {
  return {name, std::move(ranks), 1e9, seconds};
}

TEST(GroupSpeed, BusBandwidthIsThatOfNcclTests) {
  EXPECT_DOUBLE_EQ(speed({0, 1}, 1.0).bus_bandwidth(), 1e9);
  EXPECT_DOUBLE_EQ(speed({0, 1, 2, 3}, 0.5).bus_bandwidth(), 3e9);
}

TEST(JudgeGroups, ASlowGroupIsNamedWithItsHosts) {
  std::vector<GroupSpeeds> facts;
  for (int rank = 0; rank < 8; ++rank) {
    const int first = rank / 2 * 2;
    facts.push_back({speed({first, first + 1}, first == 4 ? 1.0 : 0.1)});
  }
  const Verdict verdict = judge_groups(seen(facts, 4), 2.0);
  ASSERT_EQ(places(verdict), "warning 4 b, warning 5 b");
  EXPECT_TRUE(contains(verdict.findings[0].what, "tp group of ranks 4-5 (on b): 1 GB/s"))
      << verdict.findings[0].what;
  EXPECT_TRUE(contains(verdict.findings[0].what, "reach 10 GB/s")) << verdict.findings[0].what;
  EXPECT_TRUE(contains(verdict.summary, "tp 1 GB/s to 10 GB/s")) << verdict.summary;
  EXPECT_EQ(places(judge_groups(seen(facts, 4), 20.0)), "");
}

TEST(JudgeGroups, TheSlowestRankOfAGroupCounts) {
  const auto all = seen<GroupSpeeds>(
      {{speed({0, 1}, 0.1)}, {speed({0, 1}, 1.0)}, {speed({2, 3}, 0.1)}, {speed({2, 3}, 0.1)}});
  EXPECT_EQ(places(judge_groups(all, 2.0)), "warning 0 a, warning 1 b");
}

TEST(JudgeGroups, KindsAreNotComparedWithEachOther) {
  const auto all = seen<GroupSpeeds>({{speed({0, 1}, 0.1), speed({0, 1}, 5.0, "world")},
                                      {speed({0, 1}, 0.1), speed({0, 1}, 5.0, "world")}});
  const Verdict verdict = judge_groups(all, 2.0);
  EXPECT_EQ(places(verdict), "");
  EXPECT_TRUE(contains(verdict.summary, "world")) << verdict.summary;
  EXPECT_EQ(verdict.details.size(), 2U);
  EXPECT_EQ(places(judge_groups(seen<GroupSpeeds>({{}}), 2.0)), "");
}

}  // namespace
}  // namespace longhaul::preflight
