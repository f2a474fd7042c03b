#include "model/parameter_table.h"

#include <gtest/gtest.h>

#include <map>

#include "core/error.h"
#include "model/linear.h"

namespace longhaul {
namespace {

ModelConfig tiny_config(bool tied) {
  ModelConfig config;
  config.family = tied ? ModelFamily::qwen3 : ModelFamily::qwen2;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.num_layers = 2;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 10;
  config.vocab_size = 33;
  config.tie_word_embeddings = tied;
  config.qkv_bias = !tied;
  config.qk_norm = tied;
  return config;
}

/// How often each element of each tensor is owned, over all ranks of a layout.
std::map<std::string, std::vector<int>> coverage(const ModelConfig& config,
                                                 const ParallelLayout& layout, bool every_replica) {
  std::map<std::string, std::vector<int>> counts;
  for (int rank = 0; rank < layout.world(); ++rank) {
    const ParameterTable table(config, ProcessGrid(layout, rank));
    for (const LogicalTensor& tensor : table.tensors()) {
      counts[tensor.name].resize(static_cast<std::size_t>(tensor.rows * tensor.cols));
    }
    for (const Parameter& parameter : table.parameters()) {
      for (const ParameterPiece& piece : table.shard_pieces(parameter, every_replica)) {
        const LogicalTensor& tensor = table.tensors()[static_cast<std::size_t>(piece.tensor)];
        const TensorSlice& r = piece.slice;
        EXPECT_LE(piece.parameter_row + r.rows, parameter.shard_rows);
        for (std::int64_t row = r.row; row < r.row + r.rows; ++row) {
          for (std::int64_t col = r.col; col < r.col + r.cols; ++col) {
            ++counts[tensor.name].at(static_cast<std::size_t>(row * tensor.cols + col));
          }
        }
      }
    }
  }
  return counts;
}

TEST(ParameterTable, ShardsTileEveryTensorOnce) {
  for (const bool tied : {true, false}) {
    const ModelConfig config = tiny_config(tied);
    for (const ParallelLayout layout :
         {ParallelLayout{1, 1, 1}, ParallelLayout{2, 1, 1}, ParallelLayout{1, 2, 3},
          ParallelLayout{2, 3, 2}, ParallelLayout{1, 1, 50}}) {
      for (const auto& [name, counts] : coverage(config, layout, /*every_replica=*/false)) {
        for (const int count : counts) ASSERT_EQ(count, 1) << name << ", " << layout.describe();
      }
    }
  }
}

TEST(ParameterTable, EveryTpRankReadsReplicatedTensors) {
  const auto counts = coverage(tiny_config(true), {2, 1, 2}, /*every_replica=*/true);
  EXPECT_EQ(counts.at("model.norm.weight").front(), 2);
  EXPECT_EQ(counts.at("model.layers.1.self_attn.q_norm.weight").back(), 2);
  EXPECT_EQ(counts.at("model.embed_tokens.weight").front(), 1);
}

TEST(ParameterTable, VocabularyIsPaddedToAMultipleOfTp) {
  const ParameterTable last(tiny_config(true), ProcessGrid({2, 1, 1}, 1));
  EXPECT_EQ(last.vocab_rows(), 17);
  EXPECT_EQ(last.vocab_begin(), 17);
  EXPECT_EQ(last.vocab_valid_rows(), 16);
}

TEST(ParameterTable, TiedModelsHaveNoHeadOfTheirOwn) {
  const ParameterTable tied(tiny_config(true), ProcessGrid({1, 1, 1}, 0));
  EXPECT_EQ(tied.find(ParameterRole::lm_head, Unit::head()), -1);
  EXPECT_EQ(tied.find(ParameterRole::q_bias, Unit::of_layer(0)), -1);
  EXPECT_GE(tied.find(ParameterRole::q_norm, Unit::of_layer(1)), 0);
  const ParameterTable untied(tiny_config(false), ProcessGrid({1, 1, 1}, 0));
  EXPECT_GE(untied.find(ParameterRole::lm_head, Unit::head()), 0);
  EXPECT_GE(untied.find(ParameterRole::kv_bias, Unit::of_layer(1)), 0);
}

TEST(ParameterTable, DecaysMatricesOnly) {
  const ParameterTable table(tiny_config(false), ProcessGrid({1, 1, 1}, 0));
  const auto decays = [&](ParameterRole role, Unit unit) {
    return table.parameters()[static_cast<std::size_t>(table.find(role, unit))].weight_decay;
  };
  EXPECT_TRUE(decays(ParameterRole::embedding, Unit::embedding()));
  EXPECT_TRUE(decays(ParameterRole::lm_head, Unit::head()));
  EXPECT_TRUE(decays(ParameterRole::down_proj, Unit::of_layer(0)));
  EXPECT_FALSE(decays(ParameterRole::q_bias, Unit::of_layer(0)));
  EXPECT_FALSE(decays(ParameterRole::input_norm, Unit::of_layer(0)));
  EXPECT_FALSE(decays(ParameterRole::final_norm, Unit::head()));
}

TEST(ParameterTable, NamesWhatTpDoesNotDivide) {
  try {
    const ParameterTable table(tiny_config(true), ProcessGrid({4, 1, 1}, 0));
    FAIL() << "no error";
  } catch (const UserError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("2 key/value heads"), std::string::npos) << text;
    EXPECT_NE(text.find("tensor_model_parallel_size 4"), std::string::npos) << text;
  }
}

TEST(ParameterTable, UnitsCoverTheTableInForwardOrder) {
  for (const bool tied : {true, false}) {
    const ModelConfig config = tiny_config(tied);
    const ParameterTable table(config, ProcessGrid({1, 1, 1}, 0));
    const auto layers = static_cast<std::size_t>(config.num_layers);
    ASSERT_EQ(table.units().size(), layers + 2);
    EXPECT_EQ(table.units().front().unit, Unit::embedding());
    EXPECT_EQ(table.units()[1].unit, Unit::of_layer(0));
    EXPECT_EQ(table.units().back().unit, Unit::head());
    EXPECT_EQ(table.tied_head(), tied);
    int next = 0;
    for (std::size_t i = 0; i < table.units().size(); ++i) {
      const UnitParameters& range = table.units()[i];
      EXPECT_EQ(table.index_of(range.unit), i);
      EXPECT_EQ(range.begin, next);
      EXPECT_LT(range.begin, range.end);
      for (int p = range.begin; p < range.end; ++p) {
        EXPECT_EQ(table.parameters()[static_cast<std::size_t>(p)].unit, range.unit);
      }
      next = range.end;
    }
    EXPECT_EQ(next, static_cast<int>(table.parameters().size()));
  }
}

TEST(ParameterTable, LinearLayersOfTheModel) {
  const ParameterTable table(tiny_config(false), ProcessGrid({2, 1, 1}, 1));
  std::vector<std::string> names;
  for (const UnitParameters& unit : table.units()) {
    for (const LinearSpec& linear : linear_specs(table, unit.unit)) {
      if (unit.unit.kind == UnitKind::layer && unit.unit.layer > 0) continue;
      names.emplace_back(linear.name);
      const Parameter& weight = table.parameters()[static_cast<std::size_t>(linear.weight)];
      EXPECT_EQ(linear.out, weight.rows) << linear.name;
      EXPECT_EQ(linear.in, weight.cols) << linear.name;
      EXPECT_EQ(linear.split, linear.adds_residual ? TpSplit::columns : TpSplit::rows)
          << linear.name;
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"q", "kv", "o", "gate_up", "down", "head"}));
  const LinearSpec tied_head =
      linear_specs(ParameterTable(tiny_config(true), ProcessGrid({1, 1, 1}, 0)), Unit::head())
          .front();
  EXPECT_EQ(tied_head.weight, 0) << "the embedding";
}

}  // namespace
}  // namespace longhaul
