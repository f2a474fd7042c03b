#include "train/memory_choice.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace longhaul {
namespace {

constexpr std::int64_t kLayers = 10;

/// 10 layers, each 10 bytes a pack without recomputation, 4 selective, 2 full, and 10 for the
/// weights.
MemoryPlan demand(std::int64_t micro_bs, const Recomputation& recomputation) {
  const std::int64_t per_layer = recomputation.mode == Recompute::none        ? 10
                                 : recomputation.mode == Recompute::selective ? 4
                                                                              : 2;
  const std::int64_t kept = recomputation.kept_layers;
  const auto activations =
      static_cast<std::size_t>(micro_bs * (kept * 10 + (kLayers - kept) * per_layer));
  return {10 + activations,
          {{"weights", 10}, {"activations kept", activations}},
          {0, 0, recomputation}};
}

/// CP divides the activations, TP everything; TP above 2 does not divide the model.
std::optional<std::size_t> demand_in(const ParallelLayout& layout, Recompute mode) {
  if (layout.tp > 2) return std::nullopt;
  const auto tp = static_cast<std::size_t>(layout.tp);
  return (10 + (demand(1, {mode}).bytes - 10) / static_cast<std::size_t>(layout.cp)) / tp;
}

PlanChoice choose(std::int64_t micro_bs, std::optional<Recompute> recompute, std::size_t free_bytes,
                  const ParallelLayout& layout = {1, 1, 2}) {
  return choose_memory({micro_bs, recompute, kLayers, free_bytes, layout, demand, demand_in});
}

std::string refusal(std::int64_t micro_bs, std::optional<Recompute> recompute,
                    std::size_t free_bytes, const ParallelLayout& layout = {1, 1, 2}) {
  try {
    choose(micro_bs, recompute, free_bytes, layout);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ChooseMemory, KeepsWhatFits) {
  const PlanChoice choice = choose(8, std::nullopt, 1000);
  EXPECT_EQ(choice.micro_bs, 8);
  EXPECT_EQ(choice.recomputation().mode, Recompute::none);
  EXPECT_EQ(choice.plan.bytes, 810U);
  EXPECT_TRUE(choice.note.empty());
}

TEST(ChooseMemory, LowersTheMicroBatchBeforeItRecomputes) {
  const PlanChoice choice = choose(8, std::nullopt, 300);
  EXPECT_EQ(choice.micro_bs, 2);
  EXPECT_EQ(choice.recomputation().mode, Recompute::none);
  EXPECT_NE(choice.note.find("--micro_bs 8"), std::string::npos) << choice.note;
  EXPECT_NE(choice.note.find("using 2"), std::string::npos) << choice.note;
}

TEST(ChooseMemory, RecomputesWhenASinglePackDoesNotFit) {
  EXPECT_EQ(choose(1, std::nullopt, 51).recomputation().mode, Recompute::selective);
  EXPECT_EQ(choose(1, std::nullopt, 51).recomputation().kept_layers, 0);
  EXPECT_EQ(choose(1, std::nullopt, 30).recomputation().mode, Recompute::full);
}

TEST(ChooseMemory, KeepsAsManyLayersAsFit) {
  // 50 bytes selective, 6 more for each layer that keeps everything, and a margin of 3 %.
  for (const auto& [free_bytes, kept] : {std::pair(57U, 0), std::pair(58U, 1), std::pair(90U, 6),
                                         std::pair(107U, 8), std::pair(109U, 9)}) {
    const PlanChoice choice = choose(1, std::nullopt, free_bytes);
    EXPECT_EQ(choice.recomputation().mode, Recompute::selective) << free_bytes;
    EXPECT_EQ(choice.recomputation().kept_layers, kept) << free_bytes;
    EXPECT_EQ(choice.plan.bytes, demand(1, choice.recomputation()).bytes);
  }
  EXPECT_EQ(choose(1, std::nullopt, 110).recomputation().mode, Recompute::none);
  const PlanChoice asked = choose(1, Recompute::selective, 1000);
  EXPECT_EQ(asked.recomputation().kept_layers, 0) << "all layers do what was asked for";
}

TEST(ChooseMemory, KeepsTheModeThatWasAskedFor) {
  const PlanChoice choice = choose(4, Recompute::full, 1000);
  EXPECT_EQ(choice.recomputation().mode, Recompute::full);
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
