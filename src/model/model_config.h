#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace longhaul {

enum class ModelFamily : std::uint8_t { qwen2, qwen3 };

enum class RopeScaling : std::uint8_t { none, yarn };

/// Rotary position embedding as Hugging Face configurations describe it.
struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::none;
  // YaRN only:
  double factor = 1.0;
  std::int64_t original_max_position_embeddings = 0;
  std::optional<double> attention_factor;  // default 0.1 ln(factor) + 1
  std::optional<double> mscale;
  std::optional<double> mscale_all_dim;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  bool truncate = true;

  friend bool operator==(const RopeConfig&, const RopeConfig&) = default;
};

/// What a Hugging Face config.json says about a Qwen2 or Qwen3 model.
struct ModelConfig {
  ModelFamily family = ModelFamily::qwen3;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab_size = 0;
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  bool qkv_bias = false;  // Qwen2: always
  bool qk_norm = false;   // Qwen3: always
  RopeConfig rope;
  // "bfloat16", "float16" or "float32": what exports are written in; empty when the file does not
  // say
  std::string dtype;
  std::string json;  // the file's own text, kept for exports

  /// Parses the text of a config.json. `source` names it in errors. Throws UserError for a missing
  /// or impossible value or an unsupported model, naming the key.
  static ModelConfig parse(std::string_view text, std::string_view source);
  /// Reads config.json in a model directory.
  static ModelConfig load(const std::filesystem::path& directory);

  /// Parameters of all matrices that are multiplied per token in the layers (no embedding, head or
  /// norms): the P of the FLOP count.
  [[nodiscard]] std::int64_t layer_matmul_parameters() const;
  [[nodiscard]] std::int64_t head_parameters() const { return vocab_size * hidden_size; }
  /// All trained parameters, tied ones once.
  [[nodiscard]] std::int64_t total_parameters() const;
};

/// "Qwen3, 28 layers, hidden 2048, 16/8 heads of 128, vocabulary 151936, 1.72 B parameters"
std::string describe(const ModelConfig& config);

}  // namespace longhaul
