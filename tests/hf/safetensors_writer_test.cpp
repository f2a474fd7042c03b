#include "hf/safetensors_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/json.h"
#include "hf/hf_test_support.h"
#include "hf/safetensors_reader.h"

namespace longhaul {
namespace {

using test::contains;
using test::error_of;
using test::pattern_byte;
using test::TemporaryDirectory;

const std::vector<SafetensorsTensor> kTensors = {
    {"embed", DType::bf16, {50, 3}},  // 300 bytes
    {"norm", DType::f32, {7}},        // 28
    {"empty", DType::f32, {0, 4}},    // 0
    {"half", DType::f16, {5, 5}},     // 50
    {"scalar", DType::f32, {}},       // 4
};

/// Writes kTensors in pieces of `piece` bytes.
std::vector<std::string> write_all(const std::filesystem::path& directory,
                                   std::int64_t max_shard_bytes, std::size_t piece) {
  SafetensorsWriter writer(directory, kTensors, max_shard_bytes);
  EXPECT_EQ(writer.tensor_bytes(), 382);
  for (std::size_t k = 0; k < kTensors.size(); ++k) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(kTensors[k].bytes()));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = pattern_byte(k, i);
    for (std::size_t i = 0; i < bytes.size(); i += piece) {
      writer.append(bytes.data() + i, std::min(piece, bytes.size() - i));
    }
  }
  writer.finish();
  return writer.files();
}

void expect_all(const std::filesystem::path& directory) {
  const SafetensorsReader reader(directory);
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

TEST(SafetensorsWriter, OneFileWhenItFits) {
  for (const std::size_t piece : {1, 17, 1000}) {
    const TemporaryDirectory directory;
    EXPECT_EQ(write_all(directory.path(), 382, piece),
              std::vector<std::string>{"model.safetensors"});
    expect_all(directory.path());
    const std::string bytes = test::read_file(directory / "model.safetensors");
    EXPECT_TRUE(contains(bytes.substr(0, 60), R"({"__metadata__":{"format":"pt"},)"));
    EXPECT_EQ((bytes.size() - 382) % 8, 0U) << "the data is aligned";
    EXPECT_FALSE(std::filesystem::exists(directory / "model.safetensors.index.json"));
  }
}

TEST(SafetensorsWriter, ShardsAtTheLimit) {
  const TemporaryDirectory directory;
  // 300 alone; 28 + 0 + 50 = 78 fits, 4 more would not.
  EXPECT_EQ(write_all(directory.path(), 80, 13),
            (std::vector<std::string>{"model-00001-of-00003.safetensors",
                                      "model-00002-of-00003.safetensors",
                                      "model-00003-of-00003.safetensors"}));
  expect_all(directory.path());
  const auto index =
      parse_json<nlohmann::json>(test::read_file(directory / "model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], 382);
  EXPECT_EQ(index["weight_map"]["embed"], "model-00001-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"]["half"], "model-00002-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"]["scalar"], "model-00003-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"].size(), kTensors.size());
}

TEST(SafetensorsWriter, CountsTheBytes) {
  const TemporaryDirectory directory;
  SafetensorsWriter writer(directory.path(), kTensors, 1000);
  const std::vector<std::byte> bytes(400);
  EXPECT_THROW(writer.append(bytes.data(), 301), InternalError);
  writer.append(bytes.data(), 300);
  EXPECT_THROW(writer.finish(), InternalError);
}

TEST(SafetensorsWriter, NamesADirectoryThatIsNotWritable) {
  EXPECT_TRUE(
      contains(error_of([] { SafetensorsWriter writer("/proc/nowhere", kTensors, 1000); }),
               "/proc/nowhere/model.safetensors: cannot be created: No such file or directory"));
}

}  // namespace
}  // namespace longhaul
