#include "model/model_config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "core/error.h"
#include "core/json.h"
#include "metrics/temporary_directory.h"
#include "model/parameter_table.h"
#include "test_data.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kConfigs = testing::test_data() / "configs";

Json qwen2_json() {
  return {{"model_type", "qwen2"},      {"hidden_size", 64},        {"intermediate_size", 160},
          {"num_hidden_layers", 2},     {"num_attention_heads", 8}, {"num_key_value_heads", 2},
          {"vocab_size", 100},          {"rms_norm_eps", 1e-5},     {"rope_theta", 1e6},
          {"tie_word_embeddings", true}};
}

Json qwen3_json() {
  Json json = qwen2_json();
  json["model_type"] = "qwen3";
  json["head_dim"] = 16;
  return json;
}

ModelConfig parse(const Json& json) { return ModelConfig::parse(dump_json(json), "config.json"); }

/// The message of the UserError that parsing throws, or "" when there is none.
std::string error_of(const Json& json) {
  try {
    parse(json);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

std::string error_with(const char* key, const Json& value) {
  Json json = qwen3_json();
  json[key] = value;
  return error_of(json);
}

#define EXPECT_CONTAINS(text, part)                                                   \
  do {                                                                                \
    const std::string text_value = (text);                                            \
    EXPECT_NE(text_value.find(part), std::string::npos) << "message: " << text_value; \
  } while (false)

struct Published {
  const char* name;
  ModelFamily family;
  std::int64_t hidden, ffn, layers, heads, kv_heads, head_dim, vocabulary;
  bool tied;
  std::int64_t positions;
  double theta;
  std::int64_t parameters;
  const char* description;
};

constexpr ModelFamily kQwen2 = ModelFamily::qwen2;
constexpr ModelFamily kQwen3 = ModelFamily::qwen3;

constexpr Published kPublished[] = {
    {"Qwen2.5-0.5B", kQwen2, 896, 4864, 24, 14, 2, 64, 151936, true, 32768, 1e6, 494032768,
     "Qwen2, 24 layers, hidden 896, 14/2 heads of 64, vocabulary 151936, 494 M parameters"},
    {"Qwen2.5-0.5B-Instruct", kQwen2, 896, 4864, 24, 14, 2, 64, 151936, true, 32768, 1e6, 494032768,
     nullptr},
    {"Qwen2.5-1.5B-Instruct", kQwen2, 1536, 8960, 28, 12, 2, 128, 151936, true, 32768, 1e6,
     1543714304, nullptr},
    {"Qwen2.5-3B-Instruct", kQwen2, 2048, 11008, 36, 16, 2, 128, 151936, true, 32768, 1e6,
     3085938688, nullptr},
    {"Qwen2.5-7B", kQwen2, 3584, 18944, 28, 28, 4, 128, 152064, false, 131072, 1e6, 7615616512,
     nullptr},
    {"Qwen2.5-7B-Instruct", kQwen2, 3584, 18944, 28, 28, 4, 128, 152064, false, 32768, 1e6,
     7615616512, nullptr},
    {"Qwen2.5-14B-Instruct", kQwen2, 5120, 13824, 48, 40, 8, 128, 152064, false, 32768, 1e6,
     14770033664, nullptr},
    {"Qwen2.5-32B-Instruct", kQwen2, 5120, 27648, 64, 40, 8, 128, 152064, false, 32768, 1e6,
     32763876352, nullptr},
    {"Qwen2.5-72B-Instruct", kQwen2, 8192, 29568, 80, 64, 8, 128, 152064, false, 32768, 1e6,
     72706203648,
     "Qwen2, 80 layers, hidden 8192, 64/8 heads of 128, vocabulary 152064, 72.7 B parameters"},
    {"Qwen3-0.6B", kQwen3, 1024, 3072, 28, 16, 8, 128, 151936, true, 40960, 1e6, 596049920,
     nullptr},
    {"Qwen3-1.7B", kQwen3, 2048, 6144, 28, 16, 8, 128, 151936, true, 40960, 1e6, 1720574976,
     "Qwen3, 28 layers, hidden 2048, 16/8 heads of 128, vocabulary 151936, 1.72 B parameters"},
    {"Qwen3-4B", kQwen3, 2560, 9728, 36, 32, 8, 128, 151936, true, 40960, 1e6, 4022468096, nullptr},
    {"Qwen3-8B", kQwen3, 4096, 12288, 36, 32, 8, 128, 151936, false, 40960, 1e6, 8190735360,
     nullptr},
    {"Qwen3-14B", kQwen3, 5120, 17408, 40, 40, 8, 128, 151936, false, 40960, 1e6, 14768307200,
     nullptr},
    {"Qwen3-32B", kQwen3, 5120, 25600, 64, 64, 8, 128, 151936, false, 40960, 1e6, 32762123264,
     nullptr},
    {"Qwen3-4B-Instruct-2507", kQwen3, 2560, 9728, 36, 32, 8, 128, 151936, true, 262144, 5e6,
     4022468096, nullptr},
};

TEST(ModelConfig, ReadsEveryPublishedModel) {
  for (const Published& expected : kPublished) {
    SCOPED_TRACE(expected.name);
    const ModelConfig config = ModelConfig::load(kConfigs / expected.name);
    EXPECT_EQ(config.family, expected.family);
    EXPECT_EQ(config.hidden_size, expected.hidden);
    EXPECT_EQ(config.intermediate_size, expected.ffn);
    EXPECT_EQ(config.num_layers, expected.layers);
    EXPECT_EQ(config.num_heads, expected.heads);
    EXPECT_EQ(config.num_kv_heads, expected.kv_heads);
    EXPECT_EQ(config.head_dim, expected.head_dim);
    EXPECT_EQ(config.vocab_size, expected.vocabulary);
    EXPECT_EQ(config.tie_word_embeddings, expected.tied);
    EXPECT_EQ(config.max_position_embeddings, expected.positions);
    EXPECT_EQ(config.rope.theta, expected.theta);
    EXPECT_EQ(config.rope.scaling, RopeScaling::none);
    EXPECT_EQ(config.rms_norm_eps, 1e-6);
    EXPECT_EQ(config.initializer_range, 0.02);
    EXPECT_EQ(config.qkv_bias, expected.family == kQwen2);
    EXPECT_EQ(config.qk_norm, expected.family == kQwen3);
    EXPECT_EQ(config.dtype, "bfloat16");
    EXPECT_EQ(config.total_parameters(), expected.parameters);
    if (expected.description != nullptr) {
      EXPECT_EQ(describe(config), expected.description);
    }
  }
}

TEST(ModelConfig, ParameterCountsAreThoseOfTheTensors) {
  for (const Published& model : kPublished) {
    SCOPED_TRACE(model.name);
    const ModelConfig config = ModelConfig::load(kConfigs / model.name);
    std::int64_t all = 0;
    std::int64_t multiplied = 0;
    for (const LogicalTensor& tensor : logical_tensors(config)) {
      const std::int64_t size = tensor.rows * tensor.cols;
      all += size;
      const bool in_layer = tensor.name.find("layers.") != std::string::npos;
      if (in_layer && !tensor.one_dimensional) multiplied += size;
    }
    EXPECT_EQ(config.total_parameters(), all);
    EXPECT_EQ(config.layer_matmul_parameters(), multiplied);
  }
}

TEST(ModelConfig, KeepsTheText) {
  const std::string text = dump_json(qwen2_json(), 2) + "\n";
  EXPECT_EQ(ModelConfig::parse(text, "config.json").json, text);
}

TEST(ModelConfig, HeadDimDefaultsAreThoseOfTransformers) {
  EXPECT_EQ(parse(qwen2_json()).head_dim, 8);
  Json json = qwen2_json();
  json["head_dim"] = 32;
  EXPECT_EQ(parse(json).head_dim, 32);
  json["head_dim"] = nullptr;
  EXPECT_EQ(parse(json).head_dim, 8);
  json = qwen3_json();
  EXPECT_EQ(parse(json).head_dim, 16);
  json.erase("head_dim");
  EXPECT_EQ(parse(json).head_dim, 128);
}

TEST(ModelConfig, OldAndNewSpellingsOfDtype) {
  Json json = qwen3_json();
  EXPECT_EQ(parse(json).dtype, "");
  json["torch_dtype"] = "float16";
  EXPECT_EQ(parse(json).dtype, "float16");
  json["dtype"] = "bfloat16";  // what transformers 5 writes wins
  EXPECT_EQ(parse(json).dtype, "bfloat16");
  json["dtype"] = "torch.float32";
  EXPECT_EQ(parse(json).dtype, "float32");
  json["dtype"] = "float8_e4m3fn";
  EXPECT_CONTAINS(error_of(json), "'dtype' is \"float8_e4m3fn\"");
}

TEST(ModelConfig, OldAndNewSpellingsOfYarn) {
  const Json yarn = {{"factor", 4.0}, {"original_max_position_embeddings", 32768}};
  for (const char* key : {"type", "rope_type"}) {
    for (const char* place : {"rope_scaling", "rope_parameters"}) {
      SCOPED_TRACE(std::string(place) + " with " + key);
      Json json = qwen3_json();
      json["max_position_embeddings"] = 131072;
      json[place] = yarn;
      json[place][key] = "yarn";
      const RopeConfig rope = parse(json).rope;
      EXPECT_EQ(rope.scaling, RopeScaling::yarn);
      EXPECT_EQ(rope.theta, 1e6);
      EXPECT_EQ(rope.factor, 4.0);
      EXPECT_EQ(rope.original_max_position_embeddings, 32768);
      EXPECT_EQ(rope.attention_factor, std::nullopt);
      EXPECT_EQ(rope.beta_fast, 32.0);
      EXPECT_EQ(rope.beta_slow, 1.0);
      EXPECT_TRUE(rope.truncate);
    }
  }
}

TEST(ModelConfig, RopeParametersOfTransformersFive) {
  Json json = qwen3_json();
  json.erase("rope_theta");
  EXPECT_EQ(parse(json).rope.theta, 10000.0);
  json["rope_parameters"] = {{"rope_theta", 5e6}, {"rope_type", "default"}};
  EXPECT_EQ(parse(json).rope.theta, 5e6);
  EXPECT_EQ(parse(json).rope.scaling, RopeScaling::none);
  json["rope_parameters"] = {{"full_attention", {{"rope_theta", 2e6}, {"rope_type", "default"}}}};
  EXPECT_EQ(parse(json).rope.theta, 2e6);
  json["rope_scaling"] = {{"type", "yarn"}, {"factor", 2.0}};
  EXPECT_CONTAINS(error_of(json), "rope_scaling and rope_parameters describe different");
  json["rope_parameters"] = nullptr;
  EXPECT_EQ(parse(json).rope.factor, 2.0);
}

TEST(ModelConfig, YarnDefaultsAreThoseOfTransformers) {
  Json json = qwen3_json();
  json["max_position_embeddings"] = 8192;
  json["rope_scaling"] = {{"rope_type", "yarn"},  {"factor", 2},
                          {"beta_fast", nullptr}, {"beta_slow", 0},
                          {"mscale", 0.0},        {"mscale_all_dim", 1.5},
                          {"truncate", nullptr},  {"attention_factor", 0.5}};
  RopeConfig rope = parse(json).rope;
  EXPECT_EQ(rope.original_max_position_embeddings, 8192);
  EXPECT_EQ(rope.beta_fast, 32.0);
  EXPECT_EQ(rope.beta_slow, 1.0);
  EXPECT_EQ(rope.mscale, std::nullopt);
  EXPECT_EQ(rope.mscale_all_dim, 1.5);
  EXPECT_EQ(rope.attention_factor, 0.5);
  EXPECT_FALSE(rope.truncate);
  json["rope_scaling"]["factor"] = nullptr;  // then the ratio of the lengths
  json["rope_scaling"]["original_max_position_embeddings"] = 2048.0;
  EXPECT_EQ(parse(json).rope.factor, 4.0);
}

TEST(ModelConfig, RefusesRopeThatItCannotCompute) {
  const auto error = [](const Json& scaling) { return error_with("rope_scaling", scaling); };
  EXPECT_CONTAINS(error({{"type", "dynamic"}, {"factor", 2.0}}),
                  "config.json: rope_scaling: 'type' is \"dynamic\", but must be \"default\" or");
  EXPECT_CONTAINS(error({{"rope_type", "llama3"}}), "'rope_type' is \"llama3\"");
  EXPECT_CONTAINS(error({{"type", "yarn"}, {"rope_type", "default"}}), "type is 'yarn' but");
  EXPECT_CONTAINS(error({{"type", "yarn"}}), "rope_scaling: the key 'factor' is missing");
  EXPECT_CONTAINS(error({{"type", "yarn"}, {"factor", 0.5}}), "'factor' is 0.5");
  EXPECT_CONTAINS(error({{"type", "yarn"}, {"factor", "4"}}), "'factor' is \"4\"");
  EXPECT_CONTAINS(error({{"type", "yarn"}, {"factor", 4}, {"beta_fast", 1}, {"beta_slow", 3}}),
                  "at least beta_slow, which is 3");
  EXPECT_CONTAINS(error({{"type", "yarn"}, {"factor", 4}, {"attention_factor", -1}}),
                  "'attention_factor' is -1");
  EXPECT_CONTAINS(
      error({{"type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 0.5}}),
      "a positive integer");
  EXPECT_CONTAINS(error({{"type", "default"}, {"mrope_section", {8, 4, 4}}}), "mrope_section");
  EXPECT_CONTAINS(error(7), "'rope_scaling' is 7, but must be an object or null");
  EXPECT_CONTAINS(error_with("partial_rotary_factor", 0.5), "'partial_rotary_factor' is 0.5");
  EXPECT_CONTAINS(error_with("rope_theta", -1), "'rope_theta' is -1, but must be a number above 0");
}

TEST(ModelConfig, AcceptsWhatNewerTransformersSave) {
  Json json = qwen3_json();
  json["layer_types"] = {"full_attention", "full_attention"};
  json["sliding_window"] = nullptr;
  json["use_sliding_window"] = false;
  json["rope_scaling"] = nullptr;
  json["attention_bias"] = false;
  json["pad_token_id"] = nullptr;
  EXPECT_EQ(error_of(json), "");
  json = qwen2_json();
  json["num_key_value_heads"] = nullptr;
  EXPECT_EQ(parse(json).num_kv_heads, 8);
}

TEST(ModelConfig, RefusesVariantsThatComputeSomethingElse) {
  EXPECT_CONTAINS(error_with("model_type", "qwen3_moe"),
                  "config.json: 'model_type' is \"qwen3_moe\", but must be \"qwen2\" (Qwen2 and "
                  "Qwen2.5) or \"qwen3\"");
  EXPECT_CONTAINS(error_with("model_type", nullptr), "'model_type'");
  EXPECT_CONTAINS(error_with("use_sliding_window", true), "sliding-window attention is not");
  EXPECT_CONTAINS(error_with("layer_types", {"full_attention", "sliding_attention"}),
                  "'layer_types' is");
  EXPECT_CONTAINS(error_with("layer_types", {"full_attention"}),
                  "'layer_types' has 1 entries, but 'num_hidden_layers' is 2");
  EXPECT_CONTAINS(error_with("hidden_act", "gelu"), "'hidden_act' is \"gelu\"");
  EXPECT_CONTAINS(error_with("attention_bias", true), "attention biases");
  EXPECT_CONTAINS(error_with("use_mrope", true), "multi-modal");
  EXPECT_CONTAINS(error_with("quantization_config", {{"bits", 4}}), "the weights are quantized");
}

TEST(ModelConfig, NamesMissingAndImpossibleValues) {
  for (const char* key : {"model_type", "hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "num_key_value_heads", "vocab_size"}) {
    Json json = qwen3_json();
    json.erase(key);
    EXPECT_CONTAINS(error_of(json), std::string("config.json: the key '") + key + "' is missing");
  }
  for (const Json& value :
       {Json(0), Json(-4), Json(2.5), Json(64.0), Json("64"), Json(true), Json(1e30),
        Json(std::uint64_t{18446744073709551615ULL}), Json::array({64})}) {
    EXPECT_CONTAINS(error_with("hidden_size", value),
                    "config.json: 'hidden_size' is " + dump_json(value) +
                        ", but must be an integer from 1 to 1048576");
  }
  EXPECT_CONTAINS(error_with("num_key_value_heads", 3),
                  "'num_attention_heads' 8 is not a multiple of 'num_key_value_heads' 3");
  EXPECT_CONTAINS(error_with("num_key_value_heads", 16), "is not a multiple");
  EXPECT_CONTAINS(error_with("head_dim", 15), "'head_dim' is 15, but must be even");
  EXPECT_CONTAINS(error_with("rms_norm_eps", 0), "'rms_norm_eps' is 0");
  EXPECT_CONTAINS(error_with("rms_norm_eps", "1e-6"), "a finite number");
  EXPECT_CONTAINS(error_with("tie_word_embeddings", 1), "must be true or false");
  EXPECT_CONTAINS(error_with("max_position_embeddings", 0), "'max_position_embeddings' is 0");
  Json json = qwen2_json();
  json["hidden_size"] = 60;
  EXPECT_CONTAINS(error_of(json), "'hidden_size' 60 is not a multiple of 'num_attention_heads' 8");
  json["hidden_size"] = 56;
  EXPECT_CONTAINS(error_of(json), "gives heads of 7");
}

TEST(ModelConfig, NamesFilesThatAreNone) {
  const auto error = [](const std::function<void()>& call) -> std::string {
    try {
      call();
    } catch (const UserError& user_error) {
      return user_error.what();
    }
    return "";
  };
  EXPECT_CONTAINS(error([] { ModelConfig::parse("{\"a\": ", "x/config.json"); }),
                  "x/config.json: not valid JSON at byte 7");
  EXPECT_CONTAINS(error([] { ModelConfig::parse("[1]", "x/config.json"); }),
                  "x/config.json: must hold a JSON object");
  EXPECT_CONTAINS(error([] { ModelConfig::load("/nonexistent/model"); }), "no such directory");
  const test::TemporaryDirectory empty;
  EXPECT_CONTAINS(error([&] { ModelConfig::load(empty.path()); }), "has no config.json");
  std::ofstream(empty / "config.json").close();
  EXPECT_CONTAINS(error([&] { ModelConfig::load(empty.path()); }),
                  "config.json: cannot be read, or is");
}

}  // namespace
}  // namespace longhaul
