#include "hf/safetensors_reader.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/tensor/convert.h"
#include "hf/hf_test_support.h"

namespace longhaul {
namespace {

using test::contains;
using test::error_of;
using test::raw_safetensors;
using test::TemporaryDirectory;
using test::write_file;

std::string f32_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::vector<float> counting(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) + 0.5F;
  return values;
}

constexpr const char* kHeader =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},)"
    R"("b":{"dtype":"F32","shape":[2],"data_offsets":[48,56]}})";

class SafetensorsReaderTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_ / "model.safetensors";

  /// The error of opening a file with this header and data.
  std::string error_with(const std::string& header, std::size_t data_bytes) {
    write_file(file_, raw_safetensors(header, std::string(data_bytes, '\0')));
    return error_of([&] { SafetensorsReader reader(file_); });
  }
  std::string error_with_content(const std::string& content) {
    write_file(file_, content);
    return error_of([&] { SafetensorsReader reader(file_); });
  }
};

TEST_F(SafetensorsReaderTest, ReadsWholeTensorsAndRectangles) {
  write_file(file_, raw_safetensors(kHeader, f32_bytes(counting(14))));
  const SafetensorsReader reader(directory_.path());
  EXPECT_EQ(reader.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(reader.contains("a"));
  EXPECT_FALSE(reader.contains("c"));
  EXPECT_EQ(reader.shape("a"), (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(reader.stored_dtype("a"), "F32");
  EXPECT_EQ(reader.file_of("b"), file_);

  std::vector<float> all(12);
  reader.read_rectangle("a", 0, 0, MatrixView(all.data(), DType::f32, 3, 4));
  EXPECT_EQ(all, counting(12));

  std::vector<float> part(2 * 3, -1.0F);  // 2 x 2 into rows 3 apart
  reader.read_rectangle("a", 1, 2, MatrixView(part.data(), DType::f32, 2, 2, 3));
  EXPECT_EQ(part, (std::vector<float>{6.5F, 7.5F, -1.0F, 10.5F, 11.5F, -1.0F}));

  float one = 0.0F;
  reader.read_rectangle("b", 1, 0, MatrixView(&one, DType::f32, 1, 1));
  EXPECT_EQ(one, 13.5F);
  reader.read_rectangle("a", 3, 0, MatrixView(nullptr, DType::f32, 0, 4));  // nothing to read
}

TEST_F(SafetensorsReaderTest, ConvertsOnTheWay) {
  const std::vector<float> values = {1.0F, -2.0F, 0.1F, 65504.0F};
  std::string data = f32_bytes(values);
  std::vector<std::uint16_t> bf16(4);
  std::vector<std::uint16_t> f16(4);
  convert_values(values.data(), DType::f32, bf16.data(), DType::bf16, 4);
  convert_values(values.data(), DType::f32, f16.data(), DType::f16, 4);
  data += std::string(reinterpret_cast<const char*>(bf16.data()), 8);
  data += std::string(reinterpret_cast<const char*>(f16.data()), 8);
  // A header of odd length leaves the data unaligned.
  write_file(file_, raw_safetensors(R"({"f":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
                                    R"("g":{"dtype":"BF16","shape":[4],"data_offsets":[16,24]}, )"
                                    R"("h":{"dtype":"F16","shape":[4],"data_offsets":[24,32]}}  )",
                                    data));
  const SafetensorsReader reader(file_);
  std::vector<std::uint16_t> narrow(4);
  reader.read_rectangle("f", 0, 0, MatrixView(narrow.data(), DType::bf16, 4, 1));
  EXPECT_EQ(narrow, bf16);
  reader.read_rectangle("g", 0, 0, MatrixView(narrow.data(), DType::bf16, 4, 1));
  EXPECT_EQ(narrow, bf16);
  reader.read_rectangle("f", 0, 0, MatrixView(narrow.data(), DType::f16, 4, 1));
  EXPECT_EQ(narrow, f16);
  std::vector<float> wide(4);
  reader.read_rectangle("h", 0, 0, MatrixView(wide.data(), DType::f32, 4, 1));
  EXPECT_EQ(wide[3], 65504.0F);
  EXPECT_NEAR(wide[2], 0.1F, 1e-4F);
}

TEST_F(SafetensorsReaderTest, OtherDtypesAreListedButAreNoWeights) {
  write_file(file_,
             raw_safetensors(R"({"i":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                             R"("q":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[8,12]},)"
                             R"("z":{"dtype":"F32","shape":[0,7],"data_offsets":[12,12]}})",
                             std::string(12, '\1')));
  const SafetensorsReader reader(file_);
  EXPECT_EQ(reader.tensor("i").dtype, DType::i64);
  EXPECT_EQ(reader.tensor("i").bytes.size(), 8U);
  EXPECT_TRUE(reader.tensor("z").bytes.empty());
  EXPECT_TRUE(contains(error_of([&] { (void)reader.tensor("q"); }),
                       "model.safetensors: tensor 'q' is stored as F8_E4M3; weights must be BF16"));
  float out[4];
  EXPECT_TRUE(contains(
      error_of([&] { reader.read_rectangle("i", 0, 0, MatrixView(out, DType::f32, 1, 1)); }),
      "tensor 'i' is stored as I64"));
  EXPECT_TRUE(contains(error_of([&] { (void)reader.tensor("nope"); }), "has no tensor 'nope'"));
}

TEST_F(SafetensorsReaderTest, RefusesFilesThatAreNone) {
  EXPECT_TRUE(contains(error_with_content(""), "has 0 bytes, too few for a safetensors file"));
  EXPECT_TRUE(contains(error_with_content("1234567"), "has 7 bytes"));
  EXPECT_TRUE(contains(error_with_content("<!DOCTYPE html> not found"), "header length"));
  EXPECT_TRUE(contains(error_with_content(std::string(8, '\0') + "{}"), "must begin with '{'"));
  EXPECT_TRUE(contains(error_with("[1]", 0), "must begin with '{'"));
  EXPECT_TRUE(contains(error_with("{\"a\":", 0), "the header is not valid JSON at its byte"));
  EXPECT_TRUE(contains(error_of([&] { SafetensorsReader reader(directory_ / "x"); }),
                       "cannot be opened (No such file or directory)"));
}

TEST_F(SafetensorsReaderTest, RefusesEveryTruncation) {
  const std::string whole = raw_safetensors(kHeader, f32_bytes(counting(14)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(contains(error_with_content(whole.substr(0, size)), file_.string())) << size;
  }
  EXPECT_TRUE(contains(error_with_content(whole.substr(0, whole.size() - 1)),
                       "tensor 'b': its data ends at byte 56 but the file holds 55 bytes of data"));
  EXPECT_TRUE(contains(error_with_content(whole.substr(0, 40)), "but its header alone needs"));
  EXPECT_TRUE(contains(error_with_content(whole + "x"),
                       "describes 56 bytes of data, but the file holds 57"));
}

TEST_F(SafetensorsReaderTest, RefusesInconsistentHeaders) {
  const auto entry = [](const char* dtype, const char* shape, const char* offsets) {
    return fmt::format(R"({{"a":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape,
                       offsets);
  };
  EXPECT_TRUE(contains(error_with(entry("F32", "[2,2]", "[0,15]"), 15),
                       "tensor 'a': shape [2, 2] of F32 needs 16 bytes, but its data_offsets span "
                       "15; the file is damaged or incomplete"));
  EXPECT_TRUE(contains(error_with(entry("BF16", "[8]", "[0,8]"), 8), "needs 16 bytes"));
  EXPECT_TRUE(contains(error_with(entry("F99", "[1]", "[0,4]"), 4), "unknown dtype 'F99'"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[-1]", "[0,4]"), 4), "a size in its shape"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[1.5]", "[0,4]"), 4), "a size in its shape"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[1]", "[4,0]"), 4), "are no range"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[1]", "[-4,0]"), 4), "are no range"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[1]", "[0]"), 4), "two data_offsets"));
  EXPECT_TRUE(contains(error_with(R"({"a":3})", 0), "tensor 'a': its header entry must have"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[4294967296,4294967296,4294967296]", "[0,4]"), 4),
                       "needs too many bytes"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[1]", "[0,18446744073709551615]"), 4),
                       "ends at byte 18446744073709551615"));
  EXPECT_TRUE(contains(error_with(entry("F32", "[1]", "[4,8]"), 8),
                       "bytes 0 to 4 of the data, before tensor 'a', belong to no tensor"));
  EXPECT_TRUE(contains(error_with(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                  R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                                  8),
                       "the data of tensors 'a' and 'b' overlap"));
  EXPECT_TRUE(contains(error_with(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                  R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                  8),
                       "the name 'a' occurs twice"));
}

class ShardedReaderTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;

  void write_shard(const std::string& name, const std::string& tensor) {
    write_file(
        directory_ / name,
        raw_safetensors("{\"" + tensor + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                        f32_bytes({static_cast<float>(tensor.size())})));
  }
  void write_index(const std::string& text) {
    write_file(directory_ / "model.safetensors.index.json", text);
  }
  std::string open_error() {
    return error_of([&] { SafetensorsReader reader(directory_.path()); });
  }
};

TEST_F(ShardedReaderTest, FindsTensorsInTheirShards) {
  write_shard("one.safetensors", "x");
  write_shard("two.safetensors", "yy");
  write_index(R"({"metadata":{},"weight_map":{"x":"one.safetensors","yy":"two.safetensors"}})");
  const SafetensorsReader reader(directory_.path());
  float value = 0.0F;
  reader.read_rectangle("yy", 0, 0, MatrixView(&value, DType::f32, 1, 1));
  EXPECT_EQ(value, 2.0F);
  EXPECT_EQ(reader.file_of("x").filename(), "one.safetensors");
}

TEST_F(ShardedReaderTest, RefusesAnIndexThatDoesNotFit) {
  EXPECT_TRUE(contains(open_error(), "has neither model.safetensors nor"));
  write_file(directory_ / "pytorch_model.bin", "x");
  EXPECT_TRUE(contains(open_error(), "its pytorch_model.bin is not read: save the model again"));
  write_shard("one.safetensors", "x");
  write_shard("two.safetensors", "yy");
  write_index("{");
  EXPECT_TRUE(contains(open_error(), "index.json: not valid JSON at byte"));
  write_index("{}");
  EXPECT_TRUE(contains(open_error(), "has no object 'weight_map'"));
  write_index(R"({"weight_map":{}})");
  EXPECT_TRUE(contains(open_error(), "'weight_map' is empty"));
  write_index(R"({"weight_map":{"x":"../one.safetensors"}})");
  EXPECT_TRUE(contains(open_error(), "tensor 'x' is not mapped to the name of a file"));
  write_index(R"({"weight_map":{"x":"one.safetensors","yy":"three.safetensors"}})");
  EXPECT_TRUE(contains(open_error(), "three.safetensors: is missing, but"));
  write_index(R"({"weight_map":{"x":"one.safetensors","z":"two.safetensors"}})");
  EXPECT_TRUE(contains(open_error(), "two.safetensors: has no tensor 'z', but"));
  write_index(R"({"weight_map":{"x":"two.safetensors","yy":"one.safetensors"}})");
  EXPECT_TRUE(contains(open_error(), "has no tensor 'x', but"));
  write_shard("one.safetensors", "yy");
  write_index(R"({"weight_map":{"x":"one.safetensors","yy":"two.safetensors"}})");
  EXPECT_TRUE(contains(open_error(), "tensor 'yy' is in both"));
}

TEST_F(ShardedReaderTest, RefusesTensorsThatTheIndexDoesNotList) {
  write_file(directory_ / "one.safetensors",
             raw_safetensors(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("extra":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                             f32_bytes({1.0F, 2.0F})));
  write_index(R"({"weight_map":{"x":"one.safetensors"}})");
  EXPECT_TRUE(contains(open_error(), "has a tensor 'extra' that model.safetensors.index.json"));
}

}  // namespace
}  // namespace longhaul
