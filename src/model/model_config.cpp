#include "model/model_config.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include "core/json.h"
#include "model/config_json.h"
#include "model/rope_config.h"

namespace longhaul {
namespace {

using Json = nlohmann::json;

// Far above any model; they keep products of sizes inside 64 bits.
constexpr std::int64_t kMaxHidden = 1 << 20;
constexpr std::int64_t kMaxIntermediate = 1 << 22;
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxHeads = 1 << 14;
constexpr std::int64_t kMaxHeadDim = 4096;
constexpr std::int64_t kMaxVocabulary = 1 << 26;
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 40;

// What transformers' Qwen2 and Qwen3 configurations assume for keys that are not there.
constexpr std::int64_t kDefaultMaxPositions = 32768;
constexpr std::int64_t kDefaultQwen3HeadDim = 128;
constexpr double kDefaultNormEps = 1e-6;
constexpr double kDefaultInitializerRange = 0.02;

ModelFamily parse_family(const ConfigObject& config) {
  constexpr const char* kSupported = "\"qwen2\" (Qwen2 and Qwen2.5) or \"qwen3\"";
  const std::optional<std::string> type = config.optional_string("model_type");
  if (type == "qwen2") return ModelFamily::qwen2;
  if (type == "qwen3") return ModelFamily::qwen3;
  config.refuse("model_type", kSupported);
}

/// Configurations of variants that share the model types but compute something else.
void refuse_unsupported_features(const ConfigObject& config, ModelFamily family,
                                 std::int64_t num_layers) {
  if (const auto activation = config.optional_string("hidden_act");
      activation && *activation != "silu") {
    config.refuse("hidden_act", "\"silu\"");
  }
  if (config.boolean("use_sliding_window", false)) {
    config.refuse("use_sliding_window",
                  "false: sliding-window attention is not supported (no published Qwen2.5 or Qwen3 "
                  "model turns it on)");
  }
  if (const Json* types = config.find("layer_types"); types != nullptr) {
    if (!types->is_array()) config.refuse("layer_types", "an array of strings");
    for (const Json& type : *types) {
      if (type != "full_attention") {
        config.refuse("layer_types",
                      "\"full_attention\" for every layer: other kinds are not supported");
      }
    }
    if (static_cast<std::int64_t>(types->size()) != num_layers) {
      user_error(
          "{}: 'layer_types' has {} entries, but 'num_hidden_layers' is {}; correct the file",
          config.where(), types->size(), num_layers);
    }
  }
  if (family == ModelFamily::qwen3 && config.boolean("attention_bias", false)) {
    config.refuse("attention_bias", "false: a Qwen3 model with attention biases is not supported");
  }
  if (config.boolean("use_mrope", false)) {
    config.refuse("use_mrope", "false: multi-modal position embeddings are not supported");
  }
  if (config.optional_object("quantization_config") != nullptr) {
    user_error(
        "{}: 'quantization_config' is set: the weights are quantized and cannot be trained; use "
        "the model's BF16, F16 or F32 release",
        config.where());
  }
}

std::int64_t parse_head_dim(const ConfigObject& config, const ModelConfig& model) {
  if (const auto given = config.optional_integer("head_dim", 2, kMaxHeadDim); given) {
    if (*given % 2 != 0) config.refuse("head_dim", "even (rotary embeddings turn pairs)");
    return *given;
  }
  if (model.family == ModelFamily::qwen3) return kDefaultQwen3HeadDim;
  if (model.hidden_size % model.num_heads != 0) {
    user_error(
        "{}: 'hidden_size' {} is not a multiple of 'num_attention_heads' {}; correct them, or add "
        "'head_dim'",
        config.where(), model.hidden_size, model.num_heads);
  }
  const std::int64_t head_dim = model.hidden_size / model.num_heads;
  if (head_dim % 2 != 0 || head_dim > kMaxHeadDim) {
    user_error(
        "{}: 'hidden_size' {} / 'num_attention_heads' {} gives heads of {}; rotary embeddings need "
        "an even size of at most {}",
        config.where(), model.hidden_size, model.num_heads, head_dim, kMaxHeadDim);
  }
  return head_dim;
}

std::string parse_dtype(const ConfigObject& config) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    std::optional<std::string> name = config.optional_string(key);
    if (!name) continue;
    constexpr std::string_view kPrefix = "torch.";
    if (name->rfind(kPrefix, 0) == 0) name->erase(0, kPrefix.size());
    if (*name == "auto") continue;
    if (*name != "bfloat16" && *name != "float16" && *name != "float32") {
      config.refuse(key, R"("bfloat16", "float16" or "float32")");
    }
    return *name;
  }
  return "";
}

/// Three significant digits and a unit: "1.72 B", "494 M".
std::string rounded_count(std::int64_t count) {
  constexpr double kStep = 1000.0;
  auto value = static_cast<double>(count);
  const char* unit = "";
  for (const char* next : {" k", " M", " B", " T"}) {
    if (value < kStep - 0.5) break;
    value /= kStep;
    unit = next;
  }
  const int decimals = *unit == '\0' || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, decimals, unit);
}

}  // namespace

ModelConfig ModelConfig::parse(std::string_view text, std::string_view source) {
  Json document;
  try {
    document = parse_json<Json>(text);
  } catch (const Json::parse_error& error) {
    user_error("{}: not valid JSON at byte {}; write it again or copy it from the model's release",
               source, error.byte);
  }
  if (!document.is_object()) user_error("{}: must hold a JSON object", source);

  const ConfigObject config(document, std::string(source));
  ModelConfig model;
  model.family = parse_family(config);
  model.hidden_size = config.integer("hidden_size", 1, kMaxHidden);
  model.intermediate_size = config.integer("intermediate_size", 1, kMaxIntermediate);
  model.num_layers = config.integer("num_hidden_layers", 1, kMaxLayers);
  model.num_heads = config.integer("num_attention_heads", 1, kMaxHeads);
  model.vocab_size = config.integer("vocab_size", 1, kMaxVocabulary);
  // null means one KV head for each head; without the key nothing sensible could be assumed.
  model.num_kv_heads =
      config.contains("num_key_value_heads")
          ? config.optional_integer("num_key_value_heads", 1, kMaxHeads).value_or(model.num_heads)
          : config.integer("num_key_value_heads", 1, kMaxHeads);
  if (model.num_heads % model.num_kv_heads != 0) {
    user_error(
        "{}: 'num_attention_heads' {} is not a multiple of 'num_key_value_heads' {}; correct the "
        "file",
        source, model.num_heads, model.num_kv_heads);
  }
  refuse_unsupported_features(config, model.family, model.num_layers);
  model.head_dim = parse_head_dim(config, model);
  model.max_position_embeddings =
      config.optional_integer("max_position_embeddings", 1, kMaxPositions)
          .value_or(kDefaultMaxPositions);
  model.rms_norm_eps = config.positive_number("rms_norm_eps", kDefaultNormEps);
  model.initializer_range = config.positive_number("initializer_range", kDefaultInitializerRange);
  model.tie_word_embeddings = config.boolean("tie_word_embeddings", false);
  model.qkv_bias = model.family == ModelFamily::qwen2;
  model.qk_norm = model.family == ModelFamily::qwen3;
  model.rope = parse_rope(config, model.max_position_embeddings);
  model.dtype = parse_dtype(config);
  model.json = std::string(text);
  return model;
}

ModelConfig ModelConfig::load(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(directory, ignored)) {
    user_error("{}: no such directory; give a Hugging Face model directory", directory.string());
  }
  if (!std::filesystem::exists(path, ignored)) {
    user_error("{}: has no config.json; give a complete Hugging Face model directory",
               directory.string());
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    user_error("{}: cannot be read, or is empty; check the file and its permissions",
               path.string());
  }
  return parse(text.str(), path.string());
}

std::int64_t ModelConfig::layer_matmul_parameters() const {
  const std::int64_t attention = 2 * hidden_size * head_dim * (num_heads + num_kv_heads);
  const std::int64_t mlp = 3 * hidden_size * intermediate_size;
  return num_layers * (attention + mlp);
}

std::int64_t ModelConfig::total_parameters() const {
  const std::int64_t biases = qkv_bias ? head_dim * (num_heads + 2 * num_kv_heads) : 0;
  const std::int64_t norms = 2 * hidden_size + (qk_norm ? 2 * head_dim : 0);
  const std::int64_t embeddings = (tie_word_embeddings ? 1 : 2) * head_parameters();
  return layer_matmul_parameters() + num_layers * (biases + norms) + hidden_size + embeddings;
}

std::string describe(const ModelConfig& config) {
  return fmt::format("{}, {} layers, hidden {}, {}/{} heads of {}, vocabulary {}, {} parameters",
                     config.family == ModelFamily::qwen2 ? "Qwen2" : "Qwen3", config.num_layers,
                     config.hidden_size, config.num_heads, config.num_kv_heads, config.head_dim,
                     config.vocab_size, rounded_count(config.total_parameters()));
}

}  // namespace longhaul
