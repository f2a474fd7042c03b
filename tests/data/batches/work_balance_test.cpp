// How work is shared: the estimate against micro-batches as they are built, and what --packing
// balanced does to it.
#include "data/batches/work_balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

#include "core/error.h"
#include "data/batches/micro_batch.h"
#include "data/batches/run_plan.h"

namespace longhaul {
namespace {

using Lengths = std::vector<std::int64_t>;

/// What a rank's rows cost, counted from the segments that attention gets.
double cost_of_segments(const Lengths& lengths, const ParallelLayout& layout, int cp_rank) {
  std::vector<std::int32_t> tokens(100000, 1);
  std::vector<float> weights(tokens.size(), 1.0F);
  std::vector<Document> documents;
  for (const std::int64_t length : lengths) {
    documents.push_back({tokens.data(), weights.data(), length});
  }
  MicroBatch batch;
  fill_micro_batch(documents, layout, cp_rank, 200000, batch);
  double cost = 0.0;
  for (const AttentionSegment& segment : batch.segments) {
    for (std::int64_t row = 0; row < segment.q_len; ++row) {
      cost += static_cast<double>(2 * (segment.kv_len - segment.q_len + row) + 1);
    }
  }
  return cost + 65536.0 * static_cast<double>(batch.local_tokens);
}

TEST(ContextCosts, AreThoseOfTheSegmentsOfEachRank) {
  std::mt19937_64 random(6);
  for (const ParallelLayout& layout :
       {ParallelLayout{.tp = 1, .cp = 1}, ParallelLayout{.tp = 2, .cp = 2},
        ParallelLayout{.tp = 1, .cp = 4}, ParallelLayout{.tp = 8, .cp = 8}}) {
    for (int repeat = 0; repeat < 10; ++repeat) {
      Lengths lengths(random() % 5);
      for (auto& length : lengths) length = 1 + static_cast<std::int64_t>(random() % 3000);
      const std::vector<double> costs = context_costs(lengths, layout);
      ASSERT_EQ(costs.size(), static_cast<std::size_t>(layout.cp));
      for (int rank = 0; rank < layout.cp; ++rank) {
        EXPECT_DOUBLE_EQ(costs[static_cast<std::size_t>(rank)],
                         cost_of_segments(lengths, layout, rank));
      }
    }
  }
}

std::vector<Pack> packs_of(const Lengths& lengths, PackingMode mode, std::int64_t max_length) {
  Lengths samples(lengths.size());
  std::iota(samples.begin(), samples.end(), std::int64_t{0});
  return pack_samples(samples, lengths, max_length, mode);
}

EpochBalance measure(const Lengths& lengths, PackingMode mode, const ParallelLayout& layout,
                     std::int64_t global_bs, std::int64_t micro_bs, std::uint64_t seed = 42) {
  const std::vector<Pack> packs = packs_of(lengths, mode, 64000);
  RunPlan run{.global_bs = global_bs, .micro_bs = micro_bs, .layout = layout};
  const StepSchedule schedule(packs, training_schedule(run, mode, seed));
  return measure_epoch(packs, lengths, schedule, layout);
}

TEST(MeasureEpoch, KnownAnswer) {
  // Packs of one sample each, dealt by cost: 30 and 20, then 10 and nobody.
  const Lengths lengths = {20, 10, 30};
  const EpochBalance balance =
      measure(lengths, PackingMode::one_sample, {.tp = 1, .cp = 1, .dp = 2}, 3, 1);
  const auto cost = [](double length) { return length * length + 65536 * length; };
  const double mean = (cost(30) + cost(20) + cost(10)) / 2;
  EXPECT_DOUBLE_EQ(balance.data_parallel.mean, (cost(30) + cost(10)) / mean);
  EXPECT_DOUBLE_EQ(balance.data_parallel.worst, (cost(30) + cost(10)) / mean);
  EXPECT_EQ(balance.data_parallel.worst_step, 1);
  EXPECT_DOUBLE_EQ(balance.context_parallel.mean, 1.0);
  EXPECT_EQ(balance.tokens, 60);
  EXPECT_EQ(balance.padded_tokens, 60 + 2);  // the empty micro-batch
  EXPECT_NEAR(balance.padding_share(), 2.0 / 62, 1e-12);
}

/// Lengths of agent conversations: lognormal, median `median` tokens, none above 64,000.
Lengths agent_lengths(std::size_t count, double median, double sigma, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Lengths lengths;
  while (lengths.size() < count) {
    // Box and Muller: std::lognormal_distribution differs between libraries.
    const double u = (static_cast<double>(random() >> 11) + 0.5) / 9007199254740992.0;
    const double v = static_cast<double>(random() >> 11) / 9007199254740992.0;
    const double normal = std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
    const auto length = static_cast<std::int64_t>(median * std::exp(sigma * normal)) + 50;
    if (length <= 64000) lengths.push_back(length);
  }
  return lengths;
}

struct Distribution {
  const char* name;
  double median;
  double sigma;
  std::size_t count;
};

class Balanced : public testing::TestWithParam<Distribution> {};

TEST_P(Balanced, SharesWorkBetterInPacksThatAreAsFull) {
  const Distribution& kind = GetParam();
  const Lengths lengths = agent_lengths(kind.count, kind.median, kind.sigma, 11);
  const auto full = packs_of(lengths, PackingMode::first_fit_decreasing, 64000);
  EXPECT_EQ(packs_of(lengths, PackingMode::balanced, 64000).size(), full.size());
  const auto excess = [](const Imbalance& imbalance) { return imbalance.mean - 1.0; };
  std::int64_t tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  std::string row =
      fmt::format("| {} | {:.2f} % |", kind.name,
                  100.0 - static_cast<double>(tokens) / 640.0 / static_cast<double>(full.size()));
  const auto add = [&](double plain, double even) {
    row += fmt::format(" {:.2f} → {:.2f} % |", 100.0 * plain, 100.0 * even);
  };
  for (const int ranks : {2, 4, 8}) {
    const ParallelLayout dp{.tp = 1, .cp = 1, .dp = ranks};
    const auto plain = measure(lengths, PackingMode::first_fit_decreasing, dp, 64, 1);
    const auto even = measure(lengths, PackingMode::balanced, dp, 64, 1);
    EXPECT_LT(excess(even.data_parallel), 0.6 * excess(plain.data_parallel)) << ranks;
    add(excess(plain.data_parallel), excess(even.data_parallel));
  }
  for (const int ranks : {2, 4, 8}) {
    const ParallelLayout cp{.tp = 8, .cp = ranks, .dp = 1};
    const auto plain = measure(lengths, PackingMode::first_fit_decreasing, cp, 64, 1);
    const auto even = measure(lengths, PackingMode::balanced, cp, 64, 1);
    // Two ranks have little to gain: only what lies in the middle of a pack is shared badly.
    const double most = ranks == 2 ? 1.1 : 0.75;
    EXPECT_LT(excess(even.context_parallel), most * excess(plain.context_parallel)) << ranks;
    add(excess(plain.context_parallel), excess(even.context_parallel));
  }
  // In micro-batches of several packs, too.
  for (const ParallelLayout& layout :
       {ParallelLayout{.tp = 8, .cp = 8, .dp = 1}, ParallelLayout{.tp = 8, .cp = 4, .dp = 2},
        ParallelLayout{.tp = 1, .cp = 2, .dp = 4}}) {
    const auto plain = measure(lengths, PackingMode::first_fit_decreasing, layout, 64, 8);
    const auto even = measure(lengths, PackingMode::balanced, layout, 64, 8);
    EXPECT_LE(excess(even.data_parallel), excess(plain.data_parallel)) << layout.describe();
    EXPECT_LE(excess(even.context_parallel), excess(plain.context_parallel)) << layout.describe();
  }
  std::printf("%s\n", row.c_str());  // for docs/performance.md
}

INSTANTIATE_TEST_SUITE_P(AgentConversations, Balanced,
                         testing::Values(Distribution{"median 2k", 1800, 1.0, 24000},
                                         Distribution{"median 6k", 6000, 0.9, 6000},
                                         Distribution{"median 12k", 12000, 1.0, 4000}),
                         [](const auto& info) {
                           return "Median" + std::to_string(static_cast<int>(info.param.median));
                         });

TEST(BalancedPacks, HoldTheSameSamplesLongestAtBothEnds) {
  const Lengths lengths = agent_lengths(500, 5000, 0.9, 3);
  const auto plain = packs_of(lengths, PackingMode::first_fit_decreasing, 64000);
  const auto even = packs_of(lengths, PackingMode::balanced, 64000);
  ASSERT_EQ(plain.size(), even.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(plain[i].tokens, even[i].tokens);
    EXPECT_EQ(plain[i].sum_squared_lengths, even[i].sum_squared_lengths);
    EXPECT_TRUE(std::is_permutation(plain[i].samples.begin(), plain[i].samples.end(),
                                    even[i].samples.begin(), even[i].samples.end()));
  }
  const auto small = packs_of({1, 2, 3, 4, 5}, PackingMode::balanced, 15);
  ASSERT_EQ(small.size(), 1U);
  EXPECT_EQ(small[0].samples, (Lengths{3, 1, 0, 2, 4}));
}

TEST(BalancedOrder, IsTheSameForEveryLayout) {
  const Lengths lengths = agent_lengths(3000, 5000, 0.9, 4);
  const auto packs = packs_of(lengths, PackingMode::balanced, 64000);
  for (const std::int64_t global_bs : {1, 3, 8, 12, 100, 100000}) {
    RunPlan run{.global_bs = global_bs, .micro_bs = 1, .epochs = 2};
    const StepSchedule one(packs, training_schedule(run, PackingMode::balanced, 5));
    run.micro_bs = 4;
    run.layout = {.tp = 2, .cp = 2, .dp = 3};
    const StepSchedule other(packs, training_schedule(run, PackingMode::balanced, 5));
    std::vector<std::vector<std::int64_t>> epochs(2);
    for (std::int64_t step = 0; step < one.total_steps(); ++step) {
      const StepPlan plan = one.plan(step);
      EXPECT_EQ(plan.packs, other.plan(step).packs);
      auto& epoch = epochs[static_cast<std::size_t>(plan.epoch)];
      epoch.insert(epoch.end(), plan.packs.begin(), plan.packs.end());
      for (const std::int64_t pack : plan.packs) EXPECT_EQ(one.step_of(pack, plan.epoch), step);
    }
    EXPECT_NE(epochs[0], epochs[1]);
    for (auto& epoch : epochs) {
      std::sort(epoch.begin(), epoch.end());
      for (std::size_t i = 0; i < epoch.size(); ++i) {
        ASSERT_EQ(epoch[i], static_cast<std::int64_t>(i));
      }
      EXPECT_EQ(epoch.size(), packs.size());
    }
    EXPECT_EQ(one.step_of(0, 2), std::nullopt);
  }
}

TEST(PackingFlag, Values) {
  for (const char* name : {"true", "false", "balanced"}) {
    EXPECT_EQ(name_of(parse_packing(name)), name);
  }
  EXPECT_EQ(parse_packing("True"), PackingMode::first_fit_decreasing);
  EXPECT_EQ(parse_packing("1"), PackingMode::first_fit_decreasing);
  EXPECT_EQ(parse_packing("no"), PackingMode::one_sample);
  EXPECT_THROW(parse_packing("best"), UserError);
}

}  // namespace
}  // namespace longhaul
