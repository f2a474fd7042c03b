#include "data/batches/step_schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "core/error.h"
#include "core/rounding.h"
#include "data/batches/random_order.h"

namespace longhaul {
namespace {

std::vector<Pack> make_packs(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Pack> packs(count);
  std::int64_t next_sample = 0;
  for (Pack& pack : packs) {
    const std::size_t samples = 1 + random() % 4;
    for (std::size_t i = 0; i < samples; ++i) {
      const auto length = static_cast<std::int64_t>(1 + random() % 1000);
      pack.samples.push_back(next_sample++);
      pack.tokens += length;
      pack.sum_squared_lengths += length * length;
    }
  }
  return packs;
}

ScheduleOptions options(std::int64_t global_bs, std::int64_t micro_bs, int dp) {
  ScheduleOptions result;
  result.global_bs = global_bs;
  result.micro_bs = micro_bs;
  result.dp = dp;
  result.epochs = 2;
  return result;
}

TEST(RandomOrder, KnownAnswers) {
  using Order = std::vector<std::int64_t>;
  EXPECT_EQ(random_order(10, 42, OrderPurpose::epoch, 0), (Order{7, 9, 8, 3, 5, 1, 0, 2, 6, 4}));
  EXPECT_EQ(random_order(10, 42, OrderPurpose::epoch, 1), (Order{7, 9, 2, 0, 5, 8, 6, 3, 4, 1}));
  EXPECT_EQ(random_order(10, 43, OrderPurpose::epoch, 0), (Order{7, 9, 0, 8, 1, 6, 3, 4, 2, 5}));
  EXPECT_EQ(random_order(10, 42, OrderPurpose::validation_split, 0),
            (Order{4, 6, 5, 3, 1, 9, 7, 8, 2, 0}));
  EXPECT_EQ(random_order(1, 42, OrderPurpose::epoch, 0), (Order{0}));
  EXPECT_EQ(random_order(0, 42, OrderPurpose::epoch, 0), Order{});
}

TEST(RandomOrder, EveryOrderOfThreeIsAboutEquallyFrequent) {
  std::map<std::vector<std::int64_t>, int> seen;
  for (std::uint64_t i = 0; i < 6000; ++i) ++seen[random_order(3, 1, OrderPurpose::epoch, i)];
  EXPECT_EQ(seen.size(), 6U);
  for (const auto& [order, times] : seen) EXPECT_NEAR(times, 1000, 150);  // 5 standard deviations
}

TEST(StepSchedule, EveryPackOncePerEpochInEveryLayout) {
  const auto packs = make_packs(23, 1);
  for (const std::int64_t global_bs : {1, 4, 8, 23, 100}) {
    for (const std::int64_t micro_bs : {1, 2, 3}) {
      for (const int dp : {1, 2, 3, 8}) {
        const StepSchedule schedule(packs, options(global_bs, micro_bs, dp));
        const StepSchedule reference(packs, options(global_bs, 1, 1));
        ASSERT_EQ(schedule.steps_per_epoch(), ceil_div(std::int64_t{23}, global_bs));
        ASSERT_EQ(schedule.total_steps(), 2 * schedule.steps_per_epoch());
        std::vector<std::vector<std::int64_t>> seen(2);
        for (std::int64_t step = 0; step < schedule.total_steps(); ++step) {
          const StepPlan plan = schedule.plan(step);
          EXPECT_EQ(plan.packs, reference.plan(step).packs);
          EXPECT_EQ(plan.epoch, step / schedule.steps_per_epoch());
          std::vector<std::int64_t> dealt;
          std::int64_t most = 0;
          for (int rank = 0; rank < dp; ++rank) {
            const auto& mine = plan.rank_packs[static_cast<std::size_t>(rank)];
            std::vector<std::int64_t> from_micro_batches;
            for (std::int64_t m = 0; m < plan.micro_batches; ++m) {
              const auto part = plan.micro_batch(rank, m);
              EXPECT_LE(static_cast<std::int64_t>(part.size()), micro_bs);
              from_micro_batches.insert(from_micro_batches.end(), part.begin(), part.end());
            }
            EXPECT_EQ(from_micro_batches, mine);
            EXPECT_LE(std::ssize(mine), ceil_div(std::ssize(plan.packs), dp));
            most = std::max(most, ceil_div(std::int64_t{std::ssize(mine)}, micro_bs));
            dealt.insert(dealt.end(), mine.begin(), mine.end());
          }
          EXPECT_EQ(plan.micro_batches, most);
          EXPECT_TRUE(std::is_permutation(dealt.begin(), dealt.end(), plan.packs.begin(),
                                          plan.packs.end()));
          auto& epoch = seen[static_cast<std::size_t>(plan.epoch)];
          epoch.insert(epoch.end(), plan.packs.begin(), plan.packs.end());
        }
        EXPECT_NE(seen[0], seen[1]);
        for (auto& epoch : seen) {
          std::sort(epoch.begin(), epoch.end());
          ASSERT_EQ(epoch.size(), 23U);
          for (std::size_t i = 0; i < 23; ++i) EXPECT_EQ(epoch[i], static_cast<std::int64_t>(i));
        }
      }
    }
  }
}

TEST(StepSchedule, DealsTheCostliestPacksToTheSameMicroBatch) {
  auto packs = make_packs(16, 2);
  const StepSchedule schedule(packs, options(16, 1, 4));
  const StepPlan plan = schedule.plan(0);
  for (std::int64_t m = 0; m + 1 < plan.micro_batches; ++m) {
    for (int a = 0; a < 4; ++a) {
      for (int b = 0; b < 4; ++b) {
        const Pack& now = packs[static_cast<std::size_t>(plan.micro_batch(a, m)[0])];
        const Pack& later = packs[static_cast<std::size_t>(plan.micro_batch(b, m + 1)[0])];
        EXPECT_GE(now.sum_squared_lengths + 65536 * now.tokens,
                  later.sum_squared_lengths + 65536 * later.tokens);
      }
    }
  }
}

TEST(StepSchedule, CountsWhatLiesBeforeAStep) {
  const auto packs = make_packs(10, 3);
  const StepSchedule schedule(packs, options(4, 1, 1));
  std::int64_t packs_seen = 0;
  std::int64_t samples_seen = 0;
  for (std::int64_t step = 0; step <= schedule.total_steps(); ++step) {
    EXPECT_EQ(schedule.packs_before(step), packs_seen);
    EXPECT_EQ(schedule.samples_before(step), samples_seen);
    EXPECT_DOUBLE_EQ(schedule.epochs_before(step), static_cast<double>(packs_seen) / 10.0);
    if (step == schedule.total_steps()) break;
    for (const std::int64_t pack : schedule.plan(step).packs) {
      ++packs_seen;
      samples_seen +=
          static_cast<std::int64_t>(packs[static_cast<std::size_t>(pack)].samples.size());
    }
  }
  EXPECT_DOUBLE_EQ(schedule.epochs_before(schedule.total_steps()), 2.0);
}

TEST(StepSchedule, AnyStepCanBeAskedForDirectlyAndFromManyThreads) {
  const auto packs = make_packs(50, 4);
  const StepSchedule schedule(packs, options(8, 1, 2));
  std::vector<std::vector<std::int64_t>> forward;
  for (std::int64_t step = 0; step < schedule.total_steps(); ++step) {
    forward.push_back(schedule.plan(step).packs);
  }
  std::vector<int> mismatches(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t step = schedule.total_steps(); step-- > 0;) {
        const auto again = schedule.plan(step).packs;
        mismatches[t] += again == forward[static_cast<std::size_t>(step)] ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mismatches, std::vector<int>(4, 0));
}

TEST(StepSchedule, TrainItersAndEpochsWhicheverEndsFirst) {
  const auto packs = make_packs(10, 5);
  ScheduleOptions settings = options(4, 1, 1);  // 3 steps an epoch
  settings.train_iters = 100;
  EXPECT_EQ(StepSchedule(packs, settings).total_steps(), 6);
  settings.train_iters = 5;
  EXPECT_EQ(StepSchedule(packs, settings).total_steps(), 5);
  settings.epochs.reset();
  settings.train_iters = 100;
  const StepSchedule cycling(packs, settings);
  EXPECT_EQ(cycling.total_steps(), 100);
  EXPECT_EQ(cycling.plan(99).epoch, 33);
  EXPECT_DOUBLE_EQ(cycling.epochs_before(100), 33.4);
}

TEST(StepSchedule, EvaluationKeepsTheGivenOrder) {
  const auto packs = make_packs(5, 6);
  ScheduleOptions settings = options(2, 1, 1);
  settings.epochs = 1;
  settings.order = EpochOrder::as_given;
  const StepSchedule schedule(packs, settings);
  EXPECT_EQ(schedule.plan(0).packs, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(schedule.plan(2).packs, (std::vector<std::int64_t>{4}));
}

TEST(StepSchedule, NoPacksNoSteps) {
  const StepSchedule schedule({}, options(4, 1, 1));
  EXPECT_EQ(schedule.total_steps(), 0);
  EXPECT_EQ(schedule.packs_before(0), 0);
  EXPECT_EQ(schedule.samples_before(0), 0);
  EXPECT_EQ(schedule.epochs_before(0), 0.0);
  EXPECT_THROW(static_cast<void>(schedule.plan(0)), InternalError);
}

TEST(StepSchedule, HugeBatchSizesDoNotOverflow) {
  const auto packs = make_packs(5, 7);
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  const StepSchedule schedule(packs, options(huge, huge, 2));
  EXPECT_EQ(schedule.steps_per_epoch(), 1);
  EXPECT_EQ(schedule.plan(1).packs.size(), 5U);
  EXPECT_EQ(schedule.plan(1).micro_batches, 1);
  EXPECT_EQ(schedule.plan(1).micro_batch(0, 0).size(), 3U);
}

void expect_user_error(const ScheduleOptions& settings, const std::string& part) {
  try {
    const StepSchedule schedule({}, settings);
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(StepSchedule, BadNumbersNameTheirFlag) {
  expect_user_error(options(0, 1, 1), "--global_bs 0");
  expect_user_error(options(1, 0, 1), "--micro_bs 0");
  ScheduleOptions settings = options(1, 1, 1);
  settings.epochs = 0;
  expect_user_error(settings, "--epochs 0");
  settings.epochs.reset();
  expect_user_error(settings, "--epochs or --train_iters");
  settings.train_iters = -3;
  expect_user_error(settings, "--train_iters -3");
}

}  // namespace
}  // namespace longhaul
