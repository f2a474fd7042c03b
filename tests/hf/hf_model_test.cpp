#include "hf/hf_model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <vector>

#include "core/json.h"
#include "hf/hf_test_support.h"
#include "hf/init_model.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_of;
using test::small_config;
using test::TemporaryDirectory;
using test::write_file;

using Change = std::function<void(std::vector<LogicalTensor>&)>;

/// Writes a model of `config` whose stored tensors are `change`d.
void write_model(const fs::path& directory, const nlohmann::ordered_json& config,
                 const Change& change, DType dtype = DType::f32) {
  const ModelConfig model = ModelConfig::parse(dump_json(config), "config.json");
  std::vector<LogicalTensor> tensors = logical_tensors(model);
  change(tensors);
  write_file(directory / "config.json", dump_json(config));
  write_weights(directory, tensors, dtype, 1 << 30,
                [&](const LogicalTensor& tensor, std::int64_t row, std::int64_t rows, void* out) {
                  initial_rows(tensor, row, rows, 1.0, 5, dtype, out);
                });
}

std::string error_after(const nlohmann::ordered_json& config, const Change& change) {
  const TemporaryDirectory directory;
  write_model(directory.path(), config, change);
  return error_of([&] { HfModel model(directory.path()); });
}

const Change kNothing = [](std::vector<LogicalTensor>&) {};

LogicalTensor& find(std::vector<LogicalTensor>& tensors, const std::string& name) {
  for (LogicalTensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw InternalError("no tensor " + name);
}

TEST(HfModel, OpensBothFamilies) {
  for (const char* family : {"qwen2", "qwen3"}) {
    for (const bool tied : {false, true}) {
      const TemporaryDirectory directory;
      write_model(directory.path(), small_config(family, {{"tie_word_embeddings", tied}}),
                  kNothing);
      const HfModel model(directory.path());
      EXPECT_EQ(model.config().tie_word_embeddings, tied);
      EXPECT_EQ(model.tensors().size(), model.weights().names().size());
      EXPECT_TRUE(model.notes().empty());
    }
  }
}

TEST(HfModel, ReadsSlices) {
  const TemporaryDirectory directory;
  write_model(directory.path(), small_config("qwen2"), kNothing, DType::bf16);
  const HfModel model(directory.path());
  const LogicalTensor* down = nullptr;
  for (const LogicalTensor& tensor : model.tensors()) {
    if (tensor.name == "model.layers.1.mlp.down_proj.weight") down = &tensor;
  }
  ASSERT_NE(down, nullptr);
  std::vector<float> whole(static_cast<std::size_t>(down->rows * down->cols));
  model.read(*down, {0, 0, down->rows, down->cols}, whole.data());
  std::vector<float> part(5 * 20);
  model.read(*down, {3, 20, 5, 20}, part.data());
  for (std::size_t r = 0; r < 5; ++r) {
    for (std::size_t c = 0; c < 20; ++c) {
      EXPECT_EQ(part[r * 20 + c], whole[(r + 3) * 40 + c + 20]);
    }
  }
}

TEST(HfModel, NamesTensorsThatDoNotFit) {
  EXPECT_TRUE(contains(error_after(small_config("qwen3"),
                                   [](auto& tensors) {
                                     std::erase_if(tensors, [](const LogicalTensor& t) {
                                       return t.name == "model.layers.1.self_attn.q_norm.weight";
                                     });
                                   }),
                       "'model.layers.1.self_attn.q_norm.weight' is missing"));
  const std::string shape = error_after(small_config("qwen3"), [](auto& tensors) {
    find(tensors, "model.layers.0.mlp.up_proj.weight").rows = 41;
  });
  EXPECT_TRUE(contains(shape, "the weights do not fit config.json (Qwen3, 2 layers"));
  EXPECT_TRUE(contains(shape,
                       "'model.layers.0.mlp.up_proj.weight' has shape [41, 24] instead of "
                       "[40, 24] (model.safetensors)"));
  EXPECT_TRUE(contains(shape, "Use the config.json that belongs to these weights"));
  EXPECT_TRUE(contains(error_after(small_config("qwen3"),
                                   [](auto& tensors) {
                                     tensors.push_back({"score.weight", 2, 24});
                                   }),
                       "'score.weight' is left over"));
  // A Qwen2 model under a Qwen3 configuration: the first five problems and how many more.
  const TemporaryDirectory directory;
  write_model(directory.path(), small_config("qwen2"), kNothing);
  write_file(directory / "config.json", dump_json(small_config("qwen3")));
  EXPECT_TRUE(contains(error_of([&] { HfModel model(directory.path()); }), "and 5 more"));
}

TEST(HfModel, NamesDtypesThatAreNoWeights) {
  const TemporaryDirectory directory;
  write_model(directory.path(), small_config("qwen3"), kNothing, DType::f16);
  // The same bytes under another type of the same size.
  std::string bytes = test::read_file(directory / "model.safetensors");
  const std::size_t at = bytes.find("\"F16\"");
  bytes.replace(at, 5, "\"I16\"");
  write_file(directory / "model.safetensors", bytes);
  EXPECT_TRUE(contains(error_of([&] { HfModel model(directory.path()); }),
                       "is stored as I16 instead of BF16, F16 or F32"));
}

TEST(HfModel, RotaryBuffersAreIgnored) {
  EXPECT_EQ(
      error_after(small_config("qwen2"),
                  [](auto& tensors) {
                    tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", 4, 1, true});
                  }),
      "");
}

TEST(HfModel, AHeadBesideATiedEmbeddingIsIgnoredWithANoteWhenItDiffers) {
  const auto config = small_config("qwen3", {{"tie_word_embeddings", true}});
  const Change add_head = [](auto& tensors) { tensors.push_back({"lm_head.weight", 37, 24}); };
  const TemporaryDirectory directory;
  write_model(directory.path(), config, add_head);
  {
    const HfModel model(directory.path());
    ASSERT_EQ(model.notes().size(), 1U);
    EXPECT_TRUE(contains(model.notes()[0],
                         "'lm_head.weight' differs from 'model.embed_tokens.weight', but "
                         "tie_word_embeddings is true: it is ignored"));
  }
  std::vector<LogicalTensor> tensors = logical_tensors(ModelConfig::parse(dump_json(config), ""));
  add_head(tensors);
  write_weights(directory.path(), tensors, DType::f32, 1 << 30,
                [](const LogicalTensor& tensor, std::int64_t row, std::int64_t rows, void* out) {
                  LogicalTensor same = tensor;
                  if (tensor.name == "lm_head.weight") same.name = "model.embed_tokens.weight";
                  initial_rows(same, row, rows, 1.0, 5, DType::f32, out);
                });
  EXPECT_TRUE(HfModel(directory.path()).notes().empty());
}

/// Trained and random models that are not part of the repository; skipped where they are not.
TEST(HfModel, OpensRealModels) {
  const char* const given = std::getenv("LONGHAUL_SHARED_DATA");
  const fs::path models = fs::path(given != nullptr ? given : LONGHAUL_SHARED_DATA) / "models";
  if (!fs::is_directory(models)) {
    GTEST_SKIP() << "no " << models << "; LONGHAUL_SHARED_DATA names the folder above it";
  }
  const HfModel trained(models / "aidreams260k-qwen2");
  EXPECT_EQ(trained.config().total_parameters(), 231744);
  EXPECT_EQ(trained.weights().tensor("model.norm.weight").dtype, DType::f32);
  // The BF16 copy of the same model is its rounding, value by value.
  const SafetensorsReader narrow(models / "aidreams260k-qwen2" / "model.bf16.safetensors");
  for (const LogicalTensor& tensor : trained.tensors()) {
    const StoredTensor expected = narrow.tensor(tensor.name);
    std::vector<std::byte> rounded(expected.bytes.size());
    trained.weights().read_rectangle(
        tensor.name, 0, 0, MatrixView(rounded.data(), DType::bf16, tensor.rows, tensor.cols));
    EXPECT_TRUE(std::equal(rounded.begin(), rounded.end(), expected.bytes.begin())) << tensor.name;
  }
  const HfModel random(models / "tiny_qwen3");
  EXPECT_EQ(random.config().head_dim, 16);
  EXPECT_EQ(random.weights().tensor("lm_head.weight").dtype, DType::bf16);
}

}  // namespace
}  // namespace longhaul
