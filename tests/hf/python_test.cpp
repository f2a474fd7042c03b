// Python's safetensors package reads what we write and writes what we read; transformers reads our
// configurations. Needs an interpreter with safetensors and numpy (and transformers, for the last
// test), named by the environment variable LONGHAUL_PYTHON.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/json.h"
#include "hf/hf_test_support.h"
#include "hf/init_model.h"
#include "hf/safetensors_reader.h"
#include "hf/safetensors_writer.h"

namespace longhaul {
namespace {

using test::pattern_byte;
using test::TemporaryDirectory;

// As TENSORS in safetensors_check.py.
const std::vector<SafetensorsTensor> kTensors = {{"embed", DType::bf16, {50, 3}},
                                                 {"norm", DType::f32, {7}},
                                                 {"half", DType::f16, {5, 5}},
                                                 {"one", DType::f32, {1}}};

class PythonSafetensors : public testing::Test {
 protected:
  TemporaryDirectory directory_;

  void SetUp() override {
    const char* const python = std::getenv("LONGHAUL_PYTHON");
    if (python == nullptr || *python == '\0') {
      GTEST_SKIP() << "LONGHAUL_PYTHON is not set; set it to a Python that has safetensors";
    }
    python_ = python;
  }

  /// What the script prints; the test fails when it fails.
  [[nodiscard]] std::string run(const std::string& verb, const std::filesystem::path& path) const {
    const std::string command =
        python_ + " " + SAFETENSORS_CHECK + " " + verb + " " + path.string() + " 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string text;
    std::array<char, 4096> buffer{};
    while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) text += buffer.data();
    EXPECT_EQ(::pclose(pipe), 0) << text;
    return text;
  }

  void write_all(std::int64_t max_shard_bytes) {
    SafetensorsWriter writer(directory_.path(), kTensors, max_shard_bytes);
    for (std::size_t k = 0; k < kTensors.size(); ++k) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(kTensors[k].bytes()));
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = pattern_byte(k, i);
      writer.append(bytes.data(), bytes.size());
    }
    writer.finish();
  }

 private:
  std::string python_;
};

TEST_F(PythonSafetensors, ReadsOurSingleFile) {
  write_all(1 << 20);
  EXPECT_EQ(run("read", directory_.path()), "4 tensors in 1 files equal\n");
}

TEST_F(PythonSafetensors, ReadsOurShards) {
  write_all(60);
  EXPECT_EQ(run("read", directory_.path()), "4 tensors in 3 files equal\n");
}

TEST_F(PythonSafetensors, WritesWhatWeRead) {
  EXPECT_EQ(run("write", directory_ / "model.safetensors"), "");
  const SafetensorsReader reader(directory_.path());
  EXPECT_EQ(reader.names().size(), kTensors.size());
  for (std::size_t k = 0; k < kTensors.size(); ++k) {
    const StoredTensor stored = reader.tensor(kTensors[k].name);
    EXPECT_EQ(stored.dtype, kTensors[k].dtype);
    EXPECT_EQ(stored.shape, kTensors[k].shape);
    for (std::size_t i = 0; i < stored.bytes.size(); ++i) {
      ASSERT_EQ(stored.bytes[i], pattern_byte(k, i)) << kTensors[k].name << " byte " << i;
    }
  }
}

TEST_F(PythonSafetensors, TransformersReadsOurConfiguration) {
  test::write_file(directory_ / "config.json", dump_json(test::small_config("qwen3")));
  InitOptions options;
  options.config = directory_ / "config.json";
  options.output = directory_ / "model";
  options.dtype = DType::bf16;
  options.max_shard_bytes = 1 << 30;
  init_model(options);
  const std::string text = run("config", options.output);
  if (text == "no transformers\n") GTEST_SKIP() << "this Python has no transformers";
  EXPECT_TRUE(test::contains(text, "Qwen3Config 24 8 bfloat16 Qwen3ForCausalLM\n"));
}

}  // namespace
}  // namespace longhaul
