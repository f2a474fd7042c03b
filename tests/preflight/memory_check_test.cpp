#include "preflight/memory_check.h"

#include <gtest/gtest.h>

#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

TEST(JudgeMemory, RanksOfAHostShareIt) {
  MemoryFact fact;
  fact.needed = 30;
  fact.host_needed = 10;
  fact.free = 80;
  fact.local_ranks = 2;
  EXPECT_EQ(places(judge_memory(seen<MemoryFact>({fact}))), "");
  fact.local_ranks = 3;
  const Verdict verdict = judge_memory(seen<MemoryFact>({fact}));
  ASSERT_EQ(places(verdict), "failure 0 a");
  EXPECT_TRUE(contains(verdict.findings[0].what, "80 B of host memory are free, 3 ranks there"))
      << verdict.findings[0].what;
}

TEST(JudgeMemory, AGpuHasItsOwn) {
  MemoryFact fact;
  fact.is_host = false;
  fact.needed = 70;
  fact.free = 80;
  fact.host_needed = 10;
  fact.host_free = 80;
  fact.local_ranks = 8;
  EXPECT_EQ(places(judge_memory(seen<MemoryFact>({fact}))), "");
  fact.ranks_per_device = 2;
  EXPECT_EQ(places(judge_memory(seen<MemoryFact>({fact}))), "failure 0 a");
  fact.ranks_per_device = 1;
  fact.host_free = 79;
  const Verdict verdict = judge_memory(seen<MemoryFact>({fact}));
  ASSERT_EQ(places(verdict), "failure 0 a");
  EXPECT_TRUE(contains(verdict.findings[0].what, "79 B of host memory"))
      << verdict.findings[0].what;
}

TEST(ModelState, CountsWeightsAndTheRanksOwnShard) {
  const ModelConfig config = ModelConfig::parse(
      R"({"model_type": "qwen3", "hidden_size": 64, "intermediate_size": 128,
          "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
          "head_dim": 16, "vocab_size": 256, "tie_word_embeddings": true})",
      "test");
  const ParameterTable whole(config, ProcessGrid({1, 1, 1}, 0));
  EXPECT_EQ(model_state_bytes(whole, DType::f32), config.total_parameters() * 20);
  EXPECT_EQ(snapshot_bytes(whole, DType::bf16), config.total_parameters() * 14);
  const ParameterTable shared(config, ProcessGrid({1, 1, 4}, 0));
  EXPECT_LT(model_state_bytes(shared, DType::f32), model_state_bytes(whole, DType::f32) / 2);
  EXPECT_GE(model_state_bytes(shared, DType::f32), config.total_parameters() * 8);
}

}  // namespace
}  // namespace longhaul::preflight
