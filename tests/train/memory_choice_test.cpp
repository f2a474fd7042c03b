#include "train/memory_choice.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace longhaul {
namespace {

/// 100 bytes a pack without recomputation, 40 selective, 20 full, and 10 for the weights.
MemoryPlan demand(std::int64_t micro_bs, Recompute mode) {
  const std::size_t per_pack = mode == Recompute::none        ? 100
                               : mode == Recompute::selective ? 40
                                                              : 20;
  const std::size_t activations = per_pack * static_cast<std::size_t>(micro_bs);
  return {10 + activations, {{"weights", 10}, {"activations kept", activations}}};
}

/// CP divides the activations, TP everything; TP above 2 does not divide the model.
std::optional<std::size_t> demand_in(const Layout& layout, Recompute mode) {
  if (layout.tp > 2) return std::nullopt;
  const auto tp = static_cast<std::size_t>(layout.tp);
  return (10 + (demand(1, mode).bytes - 10) / static_cast<std::size_t>(layout.cp)) / tp;
}

MemoryChoice choose(std::int64_t micro_bs, std::optional<Recompute> recompute,
                    std::size_t free_bytes, const Layout& layout = {1, 1, 2}) {
  return choose_memory({micro_bs, recompute, free_bytes, layout, demand, demand_in});
}

std::string refusal(std::int64_t micro_bs, std::optional<Recompute> recompute,
                    std::size_t free_bytes, const Layout& layout = {1, 1, 2}) {
  try {
    choose(micro_bs, recompute, free_bytes, layout);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ChooseMemory, KeepsWhatFits) {
  const MemoryChoice choice = choose(8, std::nullopt, 1000);
  EXPECT_EQ(choice.micro_bs, 8);
  EXPECT_EQ(choice.recompute, Recompute::none);
  EXPECT_EQ(choice.plan.bytes, 810U);
  EXPECT_TRUE(choice.note.empty());
}

TEST(ChooseMemory, LowersTheMicroBatchBeforeItRecomputes) {
  const MemoryChoice choice = choose(8, std::nullopt, 300);
  EXPECT_EQ(choice.micro_bs, 2);
  EXPECT_EQ(choice.recompute, Recompute::none);
  EXPECT_NE(choice.note.find("--micro_bs 8"), std::string::npos) << choice.note;
  EXPECT_NE(choice.note.find("using 2"), std::string::npos) << choice.note;
}

TEST(ChooseMemory, RecomputesWhenASinglePackDoesNotFit) {
  EXPECT_EQ(choose(1, std::nullopt, 60).recompute, Recompute::selective);
  EXPECT_EQ(choose(1, std::nullopt, 30).recompute, Recompute::full);
}

TEST(ChooseMemory, KeepsTheModeThatWasAskedFor) {
  const MemoryChoice choice = choose(4, Recompute::full, 1000);
  EXPECT_EQ(choice.recompute, Recompute::full);
  EXPECT_EQ(choice.micro_bs, 4);
}

TEST(ChooseMemory, ShowsThePlanAndTheRecomputationThatWouldFit) {
  const std::string text = refusal(4, Recompute::none, 50);
  EXPECT_NE(text.find("at least 110 B"), std::string::npos) << text;
  EXPECT_NE(text.find("50 B are free"), std::string::npos) << text;
  EXPECT_NE(text.find("100 B  activations kept"), std::string::npos) << text;
  EXPECT_NE(text.find("10 B  weights"), std::string::npos) << text;
  EXPECT_NE(text.find("--recompute_granularity selective fits: 50 B"), std::string::npos) << text;
}

TEST(ChooseMemory, NamesTheNearestLayoutThatWouldFit) {
  // 30 B with full recomputation: CP 2 on the same two ranks needs 20.
  EXPECT_NE(
      refusal(1, std::nullopt, 25)
          .find("--tensor_model_parallel_size 1 --context_parallel_size 2 with recomputation full "
                "fits: 20 B a rank"),
      std::string::npos)
      << refusal(1, std::nullopt, 25);
  // 12 B: TP 2 x CP 2 needs 10, which takes four ranks.
  EXPECT_NE(refusal(1, std::nullopt, 12)
                .find("4 ranks with --tensor_model_parallel_size 2 --context_parallel_size 2"),
            std::string::npos)
      << refusal(1, std::nullopt, 12);
  EXPECT_NE(refusal(1, std::nullopt, 1).find("use a smaller --max_length"), std::string::npos);
}

}  // namespace
}  // namespace longhaul
