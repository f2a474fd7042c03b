// init -> import -> export, and what goes wrong on the way.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "checkpoint/naming.h"
#include "checkpoint/reader.h"
#include "checkpoint/writer.h"
#include "core/json.h"
#include "core/tensor/convert.h"
#include "hf/export_model.h"
#include "hf/hf_model.h"
#include "hf/hf_test_support.h"
#include "hf/import_model.h"
#include "hf/init_model.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_of;
using test::read_file;
using test::small_config;
using test::TemporaryDirectory;
using test::write_file;

constexpr std::int64_t kOneFile = std::int64_t{1} << 40;

class ModelConversion : public testing::Test {
 protected:
  TemporaryDirectory directory_;

  fs::path path(const char* name) { return directory_ / name; }

  InitOptions init_options(const char* family = "qwen3",
                           const nlohmann::ordered_json& changes = {}) {
    fs::create_directories(path("source"));
    write_file(path("source") / "config.json", dump_json(small_config(family, changes)));
    InitOptions options;
    options.config = path("source");
    options.output = path("model");
    options.max_shard_bytes = kOneFile;
    return options;
  }
  ExportOptions export_options() {
    ExportOptions options;
    options.checkpoint = path("save");
    options.output = path("export");
    options.max_shard_bytes = kOneFile;
    options.verification = Verification::compare_every_tensor;
    return options;
  }
};

std::vector<float> values_of(const HfModel& model, const LogicalTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.rows * tensor.cols));
  model.read(tensor, {0, 0, tensor.rows, tensor.cols}, values.data());
  return values;
}

std::string files_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += name + " ";
  return text;
}

TEST_F(ModelConversion, InitDrawsAsTransformersDoes) {
  InitOptions options = init_options("qwen2");
  const InitReport report = init_model(options);
  EXPECT_EQ(report.dtype, DType::f32);
  const HfModel model(path("model"));
  for (const LogicalTensor& tensor : model.tensors()) {
    const std::vector<float> values = values_of(model, tensor);
    double squares = 0.0;
    for (const float value : values) {
      squares += static_cast<double>(value) * value;
      if (!tensor.one_dimensional) continue;
      ASSERT_EQ(value, tensor.name.ends_with(".bias") ? 0.0F : 1.0F) << tensor.name;
    }
    if (tensor.one_dimensional) continue;
    const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
    // Five standard errors of the estimate.
    EXPECT_NEAR(deviation / 0.05, 1.0, 5.0 / std::sqrt(2.0 * static_cast<double>(values.size())))
        << tensor.name;
  }
}

TEST_F(ModelConversion, InitDependsOnTheSeedAlone) {
  InitOptions options = init_options();
  options.seed = 3;
  options.max_shard_bytes = 4000;
  EXPECT_GT(init_model(options).weights.files.size(), 3U);
  options.output = path("again");
  options.max_shard_bytes = kOneFile;
  init_model(options);
  options.output = path("other");
  options.seed = 4;
  init_model(options);
  const HfModel first(path("model"));
  const HfModel again(path("again"));
  const HfModel other(path("other"));
  for (const LogicalTensor& tensor : first.tensors()) {
    EXPECT_EQ(values_of(first, tensor), values_of(again, tensor)) << tensor.name;
    if (!tensor.one_dimensional) {
      EXPECT_NE(values_of(first, tensor), values_of(other, tensor)) << tensor.name;
    }
  }
}

TEST_F(ModelConversion, InitWritesACompleteDirectory) {
  InitOptions options = init_options("qwen3", {{"torch_dtype", "bfloat16"}, {"eos_token_id", 9}});
  write_file(path("source") / "tokenizer.json", "{}");
  write_file(path("source") / "generation_config.json", "{}");
  EXPECT_EQ(init_model(options).dtype, DType::bf16);
  EXPECT_EQ(files_in(path("model")),
            "config.json generation_config.json model.safetensors tokenizer.json ");
  const auto config = parse_json<nlohmann::ordered_json>(read_file(path("model") / "config.json"));
  EXPECT_EQ(config["torch_dtype"], "bfloat16");
  EXPECT_EQ(config["architectures"], nlohmann::ordered_json::array({"Qwen3ForCausalLM"}));
  EXPECT_EQ(config["eos_token_id"], 9);
  EXPECT_EQ(dump_json(config["rope_theta"]), "10000.0");
  EXPECT_EQ(config.begin().key(), "model_type") << "the order of the keys stays";
}

TEST_F(ModelConversion, InitRefusesBadInputAndLeavesNothing) {
  InitOptions options = init_options();
  options.config = path("nothing");
  EXPECT_TRUE(contains(error_of([&] { init_model(options); }), "/nothing: no such file; give"));
  options = init_options("qwen4");
  EXPECT_TRUE(contains(error_of([&] { init_model(options); }), "'model_type' is \"qwen4\""));
  options = init_options();
  options.tokenizer = path("source");
  EXPECT_TRUE(contains(error_of([&] { init_model(options); }),
                       "--tokenizer " + path("source").string() + ": has no tokenizer.json"));
  EXPECT_FALSE(fs::exists(path("model")));
  options = init_options();
  init_model(options);
  EXPECT_TRUE(contains(error_of([&] { init_model(options); }), "is not empty"));
  options.overwrite = Overwrite::yes;
  options.seed = 9;
  EXPECT_EQ(error_of([&] { init_model(options); }), "");
}

/// Files can grow to `bytes` only while this exists: writing more fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_F(ModelConversion, WritesThatFailLeaveNothing) {
  InitOptions options = init_options("qwen3", {{"intermediate_size", 200}});
  {
    const FileSizeLimit limit(8000);
    EXPECT_TRUE(contains(error_of([&] { init_model(options); }), "File too large; raise the"));
    EXPECT_FALSE(fs::exists(path("model")));
    // The embedding's shard fits, that of the first MLP does not.
    options.max_shard_bytes = 3000;
    EXPECT_TRUE(contains(error_of([&] { init_model(options); }),
                         "model-00008-of-00021.safetensors: cannot set"));
    EXPECT_FALSE(fs::exists(path("model")));
  }
  options.output = path("whole");
  init_model(options);
  import_model(path("whole"), path("save"));
  const FileSizeLimit limit(4000);
  EXPECT_TRUE(contains(error_of([&] { export_model(export_options()); }), "File too large"));
  EXPECT_FALSE(fs::exists(path("export")));
  EXPECT_THROW(import_model(path("whole"), path("save2")), std::runtime_error);
  EXPECT_FALSE(fs::exists(path("save2")));
}

TEST_F(ModelConversion, ExportIsTheImportedModel) {
  for (const char* family : {"qwen2", "qwen3"}) {
    for (const DType dtype : {DType::bf16, DType::f32, DType::f16}) {
      SCOPED_TRACE(std::string(family) + " in " + std::string(name_of(dtype)));
      for (const char* name : {"model", "save", "export"}) fs::remove_all(path(name));
      InitOptions options =
          init_options(family, {{"tie_word_embeddings", dtype == DType::bf16}, {"x", 1e-6}});
      write_file(path("source") / "tokenizer.json", "{\"a\": 1}");
      options.dtype = dtype;
      init_model(options);
      const ImportReport imported = import_model(path("model"), path("save"));
      EXPECT_EQ(imported.checkpoint, path("save") / "step_00000000");
      EXPECT_EQ(read_file(path("save") / "tokenizer/tokenizer.json"), "{\"a\": 1}");
      const ExportReport exported = export_model(export_options());
      EXPECT_EQ(exported.step, 0);
      EXPECT_EQ(exported.dtype, dtype);
      ASSERT_TRUE(exported.verified.has_value());
      EXPECT_EQ(exported.verified->tensors, imported.tensors);
      EXPECT_EQ(exported.verified->bytes, imported.bytes);
      EXPECT_EQ(files_in(path("export")), files_in(path("model")));
      for (const auto& entry : fs::directory_iterator(path("model"))) {
        EXPECT_EQ(read_file(path("export") / entry.path().filename()), read_file(entry.path()))
            << entry.path();
      }
    }
  }
}

TEST_F(ModelConversion, CheckpointKeepsConfigurationAndDtype) {
  InitOptions options = init_options();
  options.dtype = DType::bf16;
  init_model(options);
  import_model(path("model"), path("save"));
  const CheckpointReader reader(path("save") / "step_00000000");
  const auto metadata = parse_json<nlohmann::ordered_json>(reader.metadata());
  EXPECT_EQ(metadata["step"], 0);
  EXPECT_EQ(dump_json(metadata["layout"]), R"({"tp":1,"cp":1,"dp":1})");
  EXPECT_EQ(metadata["model"],
            parse_json<nlohmann::ordered_json>(read_file(path("model") / "config.json")));
  EXPECT_FALSE(metadata["program_version"].get<std::string>().empty());
  EXPECT_EQ(metadata["time"].get<std::string>().size(), 20U);
  const CheckpointTensor* norm = reader.find("model/norm/weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(norm->dtype, DType::bf16);
  EXPECT_TRUE(contains(error_of([&] { import_model(path("model"), path("save")); }),
                       "already holds the checkpoint step_00000000; choose another directory"));
}

TEST_F(ModelConversion, ExportRoundsToTheDtypeAsked) {
  init_model(init_options());
  import_model(path("model"), path("save"));
  ExportOptions options = export_options();
  options.checkpoint = path("save") / "step_00000000";
  options.dtype = DType::bf16;
  options.max_shard_bytes = 3000;
  const ExportReport report = export_model(options);
  EXPECT_GT(report.weights.files.size(), 3U);
  EXPECT_TRUE(fs::exists(path("export") / "model.safetensors.index.json"));
  const HfModel wide(path("model"));
  const HfModel narrow(path("export"));
  EXPECT_EQ(narrow.config().dtype, "bfloat16");
  for (const LogicalTensor& tensor : wide.tensors()) {
    const std::vector<float> expected = values_of(wide, tensor);
    std::vector<std::uint16_t> rounded(expected.size());
    convert_values(expected.data(), DType::f32, rounded.data(), DType::bf16,
                   static_cast<std::int64_t>(expected.size()));
    const StoredTensor stored = narrow.weights().tensor(tensor.name);
    ASSERT_EQ(stored.bytes.size(), rounded.size() * 2);
    EXPECT_EQ(std::memcmp(stored.bytes.data(), rounded.data(), stored.bytes.size()), 0)
        << tensor.name;
  }
}

TEST_F(ModelConversion, ExportFindsTheTokenizer) {
  init_model(init_options());
  import_model(path("model"), path("save"));
  ExportOptions options = export_options();
  EXPECT_TRUE(export_model(options).tokenizer_files.empty());
  options.overwrite = Overwrite::yes;
  write_file(path("model") / "tokenizer.json", "from the imported model");
  EXPECT_EQ(export_model(options).tokenizer_files.size(), 1U);
  EXPECT_EQ(read_file(path("export") / "tokenizer.json"), "from the imported model");
  fs::create_directory(path("save") / "tokenizer");
  write_file(path("save") / "tokenizer/tokenizer.json", "from the save directory");
  export_model(options);
  EXPECT_EQ(read_file(path("export") / "tokenizer.json"), "from the save directory");
  fs::create_directory(path("given"));
  write_file(path("given") / "tokenizer.json", "from the flag");
  options.tokenizer = path("given");
  export_model(options);
  EXPECT_EQ(read_file(path("export") / "tokenizer.json"), "from the flag");
}

/// A checkpoint with chosen tensors of a small model, each filled with zeros.
void write_checkpoint(const fs::path& save, const std::string& metadata,
                      const std::vector<LogicalTensor>& tensors) {
  std::vector<std::vector<float>> data;
  CheckpointContents contents;
  contents.step = 12;
  contents.metadata = metadata;
  data.reserve(tensors.size());
  for (const LogicalTensor& tensor : tensors) {
    data.emplace_back(static_cast<std::size_t>(tensor.rows * tensor.cols));
    contents.slabs.push_back({checkpoint_path(tensor.name), DType::f32, tensor.shape(),
                              whole_tensor(tensor.shape()), data.back().data(), tensor.cols});
  }
  const auto solo = make_solo_coordinator();
  CheckpointWriter writer(*solo, {save});
  writer.write(std::move(contents));
  writer.finish();
}

TEST_F(ModelConversion, ExportRefusesCheckpointsThatAreNoModel) {
  const auto config = small_config("qwen3");
  const std::string metadata = dump_json(nlohmann::ordered_json{{"model", config}});
  std::vector<LogicalTensor> tensors = logical_tensors(ModelConfig::parse(dump_json(config), ""));
  const auto error = [&] { return error_of([&] { export_model(export_options()); }); };

  EXPECT_FALSE(error().empty());  // no such directory
  write_checkpoint(path("save"), "{}", tensors);
  EXPECT_TRUE(contains(error(), "has no model configuration, so it cannot be exported"));
  write_checkpoint(path("save"),
                   dump_json(nlohmann::ordered_json{{"model", {{"model_type", "x"}}}}), tensors);
  EXPECT_TRUE(contains(error(), "model configuration: 'model_type' is \"x\""));
  const LogicalTensor removed = tensors.back();
  tensors.back().rows += 1;
  write_checkpoint(path("save"), metadata, tensors);
  EXPECT_TRUE(contains(error(), "'lm_head.weight' has shape [38, 24] instead of [37, 24]"));
  tensors.back().name = "lm_head.bias";
  write_checkpoint(path("save"), metadata, tensors);
  EXPECT_TRUE(contains(error(), "'lm_head.weight' is missing"));
  EXPECT_TRUE(contains(error(), "'lm_head.bias' is left over"));
  EXPECT_FALSE(fs::exists(path("export")));
  tensors.back() = removed;
  write_checkpoint(path("save"), metadata, tensors);
  EXPECT_EQ(error(), "");
}

TEST_F(ModelConversion, ExportNeverWritesIntoASaveDirectory) {
  init_model(init_options());
  import_model(path("model"), path("save"));
  ExportOptions options = export_options();
  options.output = path("save");
  options.overwrite = Overwrite::yes;
  EXPECT_TRUE(contains(error_of([&] { export_model(options); }), "holds checkpoints; choose"));
}

TEST_F(ModelConversion, ExportReportsADamagedCheckpoint) {
  init_model(init_options());
  import_model(path("model"), path("save"));
  const fs::path shard = path("save") / "step_00000000/shard_00000.h5";
  std::string bytes = read_file(shard);
  bytes[bytes.size() - 100] ^= 1;
  write_file(shard, bytes);
  EXPECT_TRUE(contains(error_of([&] { export_model(export_options()); }), "shard_00000.h5"));
  EXPECT_FALSE(fs::exists(path("export")));
}

TEST_F(ModelConversion, VerificationSeesASingleBit) {
  init_model(init_options());
  const HfModel model(path("model"));
  const RowSource source = [&](const LogicalTensor& tensor, std::int64_t row, std::int64_t rows,
                               void* out) {
    initial_rows(tensor, row, rows, 0.05, 0, DType::f32, out);
  };
  EXPECT_EQ(verify_weights(path("model"), model.tensors(), DType::f32, source).tensors,
            model.tensors().size());
  std::string bytes = read_file(path("model") / "model.safetensors");
  bytes.back() ^= 1;
  write_file(path("model") / "model.safetensors", bytes);
  try {
    verify_weights(path("model"), model.tensors(), DType::f32, source);
    FAIL() << "the flipped bit went unnoticed";
  } catch (const InternalError& error) {
    EXPECT_TRUE(
        contains(error.what(), "lm_head.weight differs from the checkpoint at element 887"));
  }
}

TEST_F(ModelConversion, RealModelsSurviveTheRoundTrip) {
  const char* const given = std::getenv("LONGHAUL_SHARED_DATA");
  const fs::path models = fs::path(given != nullptr ? given : LONGHAUL_SHARED_DATA) / "models";
  if (!fs::is_directory(models)) {
    GTEST_SKIP() << "no " << models << "; LONGHAUL_SHARED_DATA names the folder above it";
  }
  for (const char* name : {"aidreams260k-qwen2", "tiny_qwen3"}) {
    fs::remove_all(path("save"));
    fs::remove_all(path("export"));
    import_model(models / name, path("save"));
    const ExportReport report = export_model(export_options());
    const SafetensorsReader before(models / name);
    const SafetensorsReader after(path("export"));
    EXPECT_EQ(before.names(), after.names());
    for (const std::string& tensor : before.names()) {
      const StoredTensor a = before.tensor(tensor);
      const StoredTensor b = after.tensor(tensor);
      EXPECT_TRUE(a.dtype == b.dtype && a.shape == b.shape &&
                  std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end()))
          << tensor;
    }
    EXPECT_EQ(report.verified->tensors, before.names().size());
  }
}

}  // namespace
}  // namespace longhaul
