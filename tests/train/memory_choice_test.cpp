#include "train/memory_choice.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace longhaul {
namespace {

/// 100 bytes a pack without recomputation, 40 selective, 20 full, and 10 for the weights.
std::size_t demand(std::int64_t micro_bs, Recompute mode) {
  const std::size_t per_pack = mode == Recompute::none        ? 100
                               : mode == Recompute::selective ? 40
                                                              : 20;
  return 10 + per_pack * static_cast<std::size_t>(micro_bs);
}

TEST(ChooseMemory, KeepsWhatFits) {
  const MemoryChoice choice = choose_memory(8, std::nullopt, 1000, demand);
  EXPECT_EQ(choice.micro_bs, 8);
  EXPECT_EQ(choice.recompute, Recompute::none);
  EXPECT_EQ(choice.bytes, 810U);
  EXPECT_TRUE(choice.note.empty());
}

TEST(ChooseMemory, LowersTheMicroBatchBeforeItRecomputes) {
  const MemoryChoice choice = choose_memory(8, std::nullopt, 300, demand);
  EXPECT_EQ(choice.micro_bs, 2);
  EXPECT_EQ(choice.recompute, Recompute::none);
  EXPECT_NE(choice.note.find("--micro_bs 8"), std::string::npos) << choice.note;
  EXPECT_NE(choice.note.find("using 2"), std::string::npos) << choice.note;
}

TEST(ChooseMemory, RecomputesWhenASinglePackDoesNotFit) {
  EXPECT_EQ(choose_memory(1, std::nullopt, 60, demand).recompute, Recompute::selective);
  EXPECT_EQ(choose_memory(1, std::nullopt, 30, demand).recompute, Recompute::full);
}

TEST(ChooseMemory, KeepsTheModeThatWasAskedFor) {
  const MemoryChoice choice = choose_memory(4, Recompute::full, 1000, demand);
  EXPECT_EQ(choice.recompute, Recompute::full);
  EXPECT_EQ(choice.micro_bs, 4);
}

TEST(ChooseMemory, SaysWhatWouldFit) {
  try {
    choose_memory(4, Recompute::none, 50, demand);
    FAIL() << "no error";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("110 B"), std::string::npos) << text;
    EXPECT_NE(text.find("50 B"), std::string::npos) << text;
    EXPECT_NE(text.find("--context_parallel_size"), std::string::npos) << text;
    EXPECT_NE(text.find("--recompute_granularity full"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace longhaul
