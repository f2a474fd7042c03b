#include "preflight/disk_check.h"

#include <gtest/gtest.h>

#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

TEST(CheckpointBytes, WeightsAndThreeArraysOfState) {
  const std::vector<LogicalTensor> tensors{{"a", 10, 20, false}, {"b", 5, 1, true}};
  EXPECT_EQ(checkpoint_bytes(tensors, DType::bf16), 205 * 14);
  EXPECT_EQ(checkpoint_bytes(tensors, DType::f32), 205 * 16);
}

TEST(CheckpointsToCome, OneEachIntervalAndOneAtTheEnd) {
  EXPECT_EQ(checkpoints_to_come(100, 50, 0), 2);
  EXPECT_EQ(checkpoints_to_come(101, 50, 0), 3);
  EXPECT_EQ(checkpoints_to_come(101, 50, 50), 2);
  EXPECT_EQ(checkpoints_to_come(101, 50, 60), 2);
  EXPECT_EQ(checkpoints_to_come(101, 50, 100), 1);
  EXPECT_EQ(checkpoints_to_come(101, 50, 101), 0);
  EXPECT_EQ(checkpoints_to_come(10, 50, 0), 1);
}

TEST(StepToResume, IsTheNewest) {
  const std::vector<CompleteStep> steps{{"x/step_00000006", 6, "b"}, {"x/step_00000009", 9, "a"}};
  EXPECT_EQ(step_to_resume("auto", steps), 6);
  EXPECT_EQ(step_to_resume("auto", {}), 0);
  EXPECT_EQ(step_to_resume("none", steps), 0);
  EXPECT_EQ(step_to_resume("/no/such/place", steps), 0);
}

TEST(CheckpointsAtOnce, CountsWhatIsKeptUntilTheNextIsComplete) {
  using Plan = CheckpointPlan;
  EXPECT_EQ(checkpoints_at_once(Plan{1, std::nullopt, 0, 0}), std::nullopt);
  EXPECT_EQ(checkpoints_at_once(Plan{1, 7, 0, 3}), 7);
  EXPECT_EQ(checkpoints_at_once(Plan{1, 7, 2, 0}), 3);  // two are kept while the third is written
  EXPECT_EQ(checkpoints_at_once(Plan{1, 7, 2, 2}), 1);
  EXPECT_EQ(checkpoints_at_once(Plan{1, 7, 2, 9}), 1);
  EXPECT_EQ(checkpoints_at_once(Plan{1, std::nullopt, 2, 1}), 2);
  EXPECT_EQ(checkpoints_at_once(Plan{1, 2, 5, 0}), 2);
  EXPECT_EQ(checkpoints_at_once(Plan{1, 0, 2, 2}), 0);
}

TEST(JudgeDisk, RefusesWhatCannotEndWell) {
  const auto free = [](std::int64_t bytes) { return seen<DiskFact>({{bytes}, {-1}}); };
  const CheckpointPlan three{100, 3, 0, 0};
  EXPECT_EQ(places(judge_disk(free(300), three, "run")), "");
  const Verdict verdict = judge_disk(free(299), three, "run");
  ASSERT_EQ(places(verdict), "failure 0 a");
  EXPECT_TRUE(contains(verdict.findings[0].what, "--save run: 299 B free, room for 2"));
  EXPECT_TRUE(contains(verdict.findings[0].remedy, "--save_total_limit 1"));
  CheckpointPlan resumed{100, 1, 0, 1};
  resumed.next_step = 6;
  resumed.newest = "step_00000003";
  EXPECT_EQ(judge_disk(free(99), resumed, "run").findings.front().what,
            "--save run: 99 B free, the checkpoint of step 6 takes 100 B; step_00000003 "
            "stays the latest");
  // Nothing more is to be written.
  EXPECT_EQ(places(judge_disk(free(0), CheckpointPlan{100, 0, 0, 4}, "run")), "");
}

TEST(JudgeDisk, WarnsWhereTheNumberIsUnknown) {
  const CheckpointPlan open_end{100, std::nullopt, 0, 0};
  EXPECT_EQ(places(judge_disk(seen<DiskFact>({{99}}), open_end, "run")), "failure 0 a");
  EXPECT_EQ(places(judge_disk(seen<DiskFact>({{250}}), open_end, "run")), "warning 0 a");
  EXPECT_EQ(places(judge_disk(seen<DiskFact>({{1000}}), open_end, "run")), "");
}

}  // namespace
}  // namespace longhaul::preflight
