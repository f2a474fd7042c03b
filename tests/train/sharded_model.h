#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "train/tiny_run.h"

namespace longhaul::testing {

// What tests of sharded state share: a model whose sizes divide badly, all layouts of a job, and
// tensors as a whole against the shards that this rank has of them.

inline constexpr int kOddLayers = 3;

/// Rows of 22 and a vocabulary of 37: every layout of 2 or 4 ranks pads some shard or the
/// vocabulary. Tied: Qwen3, with norms of heads; untied: Qwen2, with biases.
inline ModelConfig odd_model(bool tied) {
  ModelConfig config;
  config.family = tied ? ModelFamily::qwen3 : ModelFamily::qwen2;
  config.hidden_size = 22;
  config.intermediate_size = 20;
  config.num_layers = kOddLayers;
  config.num_heads = 4;
  config.num_kv_heads = 4;
  config.head_dim = 6;
  config.vocab_size = 37;
  config.max_position_embeddings = 64;
  config.tie_word_embeddings = tied;
  config.qkv_bias = !tied;
  config.qk_norm = tied;
  return config;
}

/// Every way to split `world` ranks that odd_model() allows.
inline std::vector<ParallelLayout> layouts_of(int world) {
  std::vector<ParallelLayout> layouts;
  for (const int tp : {1, 2, 4}) {
    for (const int cp : {1, 2, 4}) {
      if (world % (tp * cp) == 0) layouts.push_back(make_layout(world, tp, cp));
    }
  }
  return layouts;
}

/// All tensors of a model as a whole, by index, row-major.
using WholeTensors = std::vector<std::vector<double>>;

/// One value an element; the same on every rank.
template <typename Value>
WholeTensors make_tensors(const ParameterTable& table, const Value& value) {
  WholeTensors tensors;
  for (const LogicalTensor& tensor : table.tensors()) {
    std::vector<double> values(static_cast<std::size_t>(tensor.rows * tensor.cols));
    std::generate(values.begin(), values.end(), value);
    tensors.push_back(std::move(values));
  }
  return tensors;
}

/// fp32 values, nearly all different.
inline WholeTensors random_tensors(const ParameterTable& table, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  return make_tensors(table, [&] { return normal(random); });
}

/// visit(position in the flat arrays of a ShardLayout, tensor, position in the tensor) of every
/// element that this rank owns. Positions that are not visited are padding.
template <typename Visit>
void visit_shards(const ParameterTable& table, const ShardLayout& layout, const Visit& visit) {
  for (std::size_t i = 0; i < table.parameters().size(); ++i) {
    const Parameter& p = table.parameters()[i];
    for (const ParameterPiece& piece : table.shard_pieces(p, /*every_replica=*/true)) {
      const TensorSlice& slice = piece.slice;
      const auto tensor = static_cast<std::size_t>(piece.tensor);
      const std::int64_t tensor_cols = table.tensors()[tensor].cols;
      for (std::int64_t row = 0; row < slice.rows; ++row) {
        for (std::int64_t col = 0; col < slice.cols; ++col) {
          visit(static_cast<std::size_t>(layout.offset(static_cast<int>(i)) +
                                         (piece.parameter_row + row) * p.cols + col),
                tensor,
                static_cast<std::size_t>((slice.row + row) * tensor_cols + slice.col + col));
        }
      }
    }
  }
}

/// This rank's shards of whole tensors, zeros where there is padding.
inline std::vector<float> shards_of(const ParameterTable& table, const ShardLayout& layout,
                                    const WholeTensors& tensors) {
  std::vector<float> shards(static_cast<std::size_t>(layout.size()), 0.0F);
  visit_shards(table, layout, [&](std::size_t at, std::size_t tensor, std::size_t element) {
    shards[at] = static_cast<float>(tensors[tensor][element]);
  });
  return shards;
}

/// Host values -> device memory.
inline void upload(Device& device, const std::vector<float>& values, float* to) {
  device.copy_to_device(to, values.data(), values.size() * sizeof(float), device.compute_stream());
  device.synchronize(device.compute_stream());
}

}  // namespace longhaul::testing
