#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "compute/cuda/gpu_model.h"
#include "test_data.h"
#include "train/run_memory.h"

namespace longhaul {
namespace {

constexpr std::int64_t kPackTokens = 32768;

DeviceModel h200() { return cuda::gpu_model("NVIDIA H200", cuda::AttentionLibrary::cudnn); }

ModelConfig config_of(const char* model) {
  return ModelConfig::load(testing::test_data() / "configs" / model);
}

/// A run on packs of kPackTokens, each one document.
RunMemory run_of(const ModelConfig& config) {
  return {config, {}, kPackTokens, [](std::int64_t micro_bs, const ParallelLayout& layout) {
            return padded_stream_tokens(micro_bs * kPackTokens, layout);
          }};
}

/// Plans for a GPU that is not there: asking for memory, copying or waiting would throw.
class MemoryPlans : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] MemoryPlan plan(const ParallelLayout& layout, std::int64_t packs,
                                const Recomputation& recomputation, int rank = 0) const {
    return run_.plan(device_, ProcessGrid(layout, rank), packs, recomputation);
  }

  const ModelConfig config_ = config_of(GetParam());
  const RunMemory run_ = run_of(config_);
  const DeviceModel device_ = h200();
  const std::vector<ParallelLayout> layouts_ = {{1, 1, 1},  {8, 1, 1}, {8, 4, 1},
                                                {8, 4, 16}, {2, 8, 2}, {1, 1, 64}};
};

TEST_P(MemoryPlans, GrowWithTokens) {
  for (const ParallelLayout& layout : layouts_) {
    for (const Recompute mode : {Recompute::none, Recompute::selective, Recompute::full}) {
      std::size_t before = 0;
      for (std::int64_t packs = 1; packs <= 8; ++packs) {
        const std::size_t bytes = plan(layout, packs, {mode}).bytes;
        EXPECT_GT(bytes, before) << layout.describe() << ", " << packs << " packs";
        before = bytes;
      }
    }
  }
}

TEST_P(MemoryPlans, GrowWithTheLayersThatKeepEverything) {
  for (const ParallelLayout& layout : layouts_) {
    for (const Recompute mode : {Recompute::selective, Recompute::full}) {
      std::size_t before = 0;
      for (std::int64_t kept = 0; kept < config_.num_layers; kept += 3) {
        const std::size_t bytes = plan(layout, 1, {mode, kept}).bytes;
        EXPECT_GT(bytes, before) << layout.describe() << ", " << kept << " layers";
        before = bytes;
      }
      EXPECT_LE(before, plan(layout, 1, {Recompute::none}).bytes) << layout.describe();
    }
  }
}

TEST_P(MemoryPlans, AreTheSameAgainAndOnEveryRank) {
  for (const ParallelLayout& layout : layouts_) {
    const MemoryPlan first = plan(layout, 1, {Recompute::selective, 3});
    for (int rank = 0; rank < layout.world(); rank += 5) {
      const MemoryPlan again = plan(layout, 1, {Recompute::selective, 3}, rank);
      EXPECT_EQ(again.bytes, first.bytes) << layout.describe() << ", rank " << rank;
      ASSERT_EQ(again.sections.size(), first.sections.size());
      for (std::size_t i = 0; i < first.sections.size(); ++i) {
        EXPECT_EQ(again.sections[i].bytes, first.sections[i].bytes) << first.sections[i].name;
      }
    }
  }
}

TEST_P(MemoryPlans, HoldTheStateThatTheListDescribes) {
  for (const ParallelLayout& layout : layouts_) {
    const ParameterTable table(config_, ProcessGrid(layout, 0));
    const MemoryPlan planned = plan(layout, 1, {Recompute::full});
    const auto state = std::find_if(
        planned.sections.begin(), planned.sections.end(),
        [](const auto& section) { return std::string_view(section.name) == "optimizer state"; });
    ASSERT_NE(state, planned.sections.end());
    // Each array is rounded up, and the gradient's norm is one more.
    const auto least = static_cast<std::size_t>(ShardLayout(table).size() * adamw_state_bytes());
    EXPECT_GE(state->bytes, least) << layout.describe();
    EXPECT_LE(state->bytes, least + (kAdamWState.size() + 1) * Arena::kAlignment);
  }
}

TEST_P(MemoryPlans, AskTheDeviceModelOnce) {
  int asked = 0;
  DeviceModel counting = device_;
  counting.workspace_bytes = [&](const WorkspaceShape& shape) {
    ++asked;
    return device_.workspace_bytes(shape);
  };
  EXPECT_EQ(run_.plan(counting, ProcessGrid({8, 4, 1}, 0), 1, {}).bytes,
            plan({8, 4, 1}, 1, {}).bytes);
  EXPECT_EQ(asked, 1);
}

INSTANTIATE_TEST_SUITE_P(Qwen, MemoryPlans, ::testing::Values("Qwen2.5-72B-Instruct", "Qwen3-32B"),
                         [](const auto& info) {
                           return std::string(info.index == 0 ? "Qwen2_5_72B" : "Qwen3_32B");
                         });

// To the byte: another number means that a run's memory changed. When that is meant, the new number
// belongs here.
TEST(MemoryPlan, OfTwoRunsIsKnown) {
  const ModelConfig large = config_of("Qwen2.5-72B-Instruct");
  const MemoryPlan full =
      run_of(large).plan(h200(), ProcessGrid({8, 4, 2}, 0), 4, {Recompute::full});
  EXPECT_EQ(full.bytes, 48'550'387'712U);
  const ModelConfig small = config_of("Qwen3-32B");
  const MemoryPlan selective =
      run_of(small).plan(h200(), ProcessGrid({8, 1, 1}, 0), 1, {Recompute::selective, 20});
  EXPECT_EQ(selective.bytes, 98'159'075'328U);
}

}  // namespace
}  // namespace longhaul
