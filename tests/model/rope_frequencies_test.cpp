#include "model/rope_frequencies.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/file.h"
#include "core/json.h"
#include "test_data.h"

namespace longhaul {
namespace {

// The golden values come from transformers' own code (tests/golden/make_rope_golden.py), whose
// float32 power may differ from ours by a unit in the last place; mixing two frequencies adds one.
constexpr float kRelativeTolerance = 2.4e-7F;

TEST(RopeFrequencies, EqualTransformers) {
  const auto cases =
      parse_json<nlohmann::json>(read_text_file(testing::test_data() / "rope_golden.json"));
  ASSERT_GE(cases.size(), 10U);
  for (const auto& [name, golden] : cases.items()) {
    SCOPED_TRACE(name);
    const ModelConfig config = ModelConfig::parse(dump_json(golden["config"]), name);
    const RopeFrequencies ours = rope_frequencies(config);
    const auto expected = golden["inverse"].get<std::vector<float>>();
    ASSERT_EQ(ours.inverse.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_LE(std::abs(ours.inverse[i] - expected[i]), kRelativeTolerance * expected[i])
          << "pair " << i << ": " << ours.inverse[i] << " instead of " << expected[i];
    }
    EXPECT_FLOAT_EQ(ours.attention_factor, golden["attention_factor"].get<float>());
  }
}

TEST(RopeFrequencies, YarnKeepsFastPairsAndSlowsSlowOnes) {
  ModelConfig config;
  config.head_dim = 128;
  config.rope.theta = 1e6;
  const RopeFrequencies plain = rope_frequencies(config);
  config.rope.scaling = RopeScaling::yarn;
  config.rope.factor = 4.0;
  config.rope.original_max_position_embeddings = 32768;
  const RopeFrequencies yarn = rope_frequencies(config);
  EXPECT_EQ(yarn.inverse.front(), plain.inverse.front());
  EXPECT_FLOAT_EQ(yarn.inverse.back(), plain.inverse.back() / 4.0F);
  EXPECT_FLOAT_EQ(yarn.attention_factor, 0.1F * std::log(4.0F) + 1.0F);
  EXPECT_EQ(plain.attention_factor, 1.0F);
}

}  // namespace
}  // namespace longhaul
