// What is written under one layout is read, bit for bit, under any other.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <numeric>

#include "checkpoint/naming.h"
#include "checkpoint/test_model.h"
#include "checkpoint/thread_ranks.h"
#include "checkpoint/verify.h"

namespace longhaul {
namespace {

using test::count_wrong_slices;
using test::message_of;
using test::TemporaryDirectory;
using test::TestLayout;
using test::write_test_checkpoint;

constexpr std::array kLayouts{TestLayout{1, 1}, TestLayout{2, 1}, TestLayout{1, 3},
                              TestLayout{2, 2}, TestLayout{4, 2}, TestLayout{1, 8}};

TEST(RoundTrip, EveryLayoutReadsEveryLayout) {
  for (const TestLayout writing : kLayouts) {
    const TemporaryDirectory save;
    write_test_checkpoint(save.path(), writing, 50);
    const auto found = find_checkpoint(save.path());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->filename(), "step_00000050");
    for (const TestLayout reading : kLayouts) {
      const CheckpointReader reader(*found);  // anew: nothing is checked yet
      EXPECT_EQ(reader.step(), 50);
      EXPECT_EQ(reader.metadata(), "{\"step\": 50, \"note\": \"α\"}");
      EXPECT_EQ(count_wrong_slices(reader, reading, 50), 0)
          << writing.tp << "x" << writing.shards << " read as " << reading.tp << "x"
          << reading.shards;
      // The second time most slabs are known to be good, and only parts are read.
      EXPECT_EQ(count_wrong_slices(reader, reading, 50), 0);
    }
    const VerifyReport report = verify_checkpoint(*found, [](std::int64_t, std::int64_t) {});
    EXPECT_EQ(report.damages, std::vector<std::string>{});
    EXPECT_EQ(report.shards, writing.ranks());
  }
}

TEST(RoundTrip, TensorsAreDescribedAsWritten) {
  const TemporaryDirectory save;
  write_test_checkpoint(save.path(), {2, 2}, 7);
  const CheckpointReader reader(save.path() / "step_00000007");
  const auto model = test::test_model();
  EXPECT_EQ(reader.tensors().size(), model.size());
  for (const test::TestTensor& tensor : model) {
    const CheckpointTensor* found = reader.find(tensor.path);
    ASSERT_NE(found, nullptr) << tensor.path;
    EXPECT_EQ(found->dtype, tensor.dtype);
    EXPECT_EQ(found->shape, tensor.shape);
  }
  EXPECT_EQ(reader.find("model/nothing"), nullptr);
  const std::string text = message_of([&] {
    reader.read("model/nothing/weight", {0, 0, 1, 1}, nullptr, 1);
  });
  EXPECT_NE(text.find("has no tensor model.nothing.weight"), std::string::npos) << text;
}

TEST(RoundTrip, AnySliceIsReadWithAnyStride) {
  const TemporaryDirectory save;
  write_test_checkpoint(save.path(), {2, 3}, 1);
  const CheckpointReader reader(save.path() / "step_00000001");
  const auto model = test::test_model();
  for (const std::size_t which : {std::size_t{0}, std::size_t{12}}) {  // by rows, by columns
    const test::TestTensor& tensor = model[which];
    const std::int64_t rows = tensor.shape[0];
    const std::int64_t cols = tensor.shape[1];
    for (std::int64_t row = 0; row < rows; row += 3) {
      for (std::int64_t col = 0; col < cols; ++col) {
        const std::int64_t height = std::min<std::int64_t>(rows - row, 1 + (row + col) % 11);
        const std::int64_t width = std::min<std::int64_t>(cols - col, 1 + (3 * row + col) % 13);
        const std::int64_t stride = width + 5;
        std::vector<std::uint16_t> found(static_cast<std::size_t>(height * stride), 0xabcd);
        reader.read(tensor.path, {row, col, height, width}, found.data(), stride);
        const auto expected = test::expected_bytes(tensor, {row, col, height, width}, 1);
        for (std::int64_t r = 0; r < height; ++r) {
          EXPECT_EQ(std::memcmp(found.data() + r * stride, expected.data() + r * width * 2,
                                static_cast<std::size_t>(width) * 2),
                    0);
          for (std::int64_t c = width; c < stride; ++c) {  // between the rows nothing is touched
            EXPECT_EQ(found[static_cast<std::size_t>(r * stride + c)], 0xabcd);
          }
        }
      }
    }
  }
  reader.read(model[0].path, {37, 12, 0, 0}, nullptr, 0);  // nothing of it is fine
  EXPECT_THROW(reader.read(model[0].path, {30, 0, 8, 12}, nullptr, 12), InternalError);
}

/// Writes one tensor of all of a type's bit patterns, from one rank.
template <typename T>
void expect_bits_survive(DType dtype, const std::vector<T>& values) {
  const TemporaryDirectory save;
  const auto count = static_cast<std::int64_t>(values.size());
  const auto coordinator = make_solo_coordinator();
  CheckpointWriter writer(*coordinator, {save.path(), 0});
  test::write_and_finish(
      writer, {1, "{}", {{"all/values", dtype, {count}, {0, 0, count, 1}, values.data(), 1}}});
  const CheckpointReader reader(save.path() / "step_00000001");
  std::vector<T> found(values.size());
  reader.read("all/values", {0, 0, count, 1}, found.data(), 1);
  EXPECT_EQ(std::memcmp(found.data(), values.data(), values.size() * sizeof(T)), 0)
      << name_of(dtype);
}

TEST(RoundTrip, EveryBitPatternSurvives) {
  std::vector<std::uint16_t> all(65536);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  expect_bits_survive(DType::bf16, all);
  expect_bits_survive(DType::f16, all);
  std::vector<std::uint8_t> bytes(256);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  expect_bits_survive(DType::u8, bytes);
  expect_bits_survive<std::uint32_t>(
      DType::f32, {0, 1, 0x007fffff, 0x7f800000, 0x7fc12345, 0xffffffff, 0x80000000});
  expect_bits_survive<std::uint64_t>(DType::f64, {0, 1, 0x7ff8000000000123, ~0ULL});
  expect_bits_survive<std::int64_t>(DType::i64, {0, -1, INT64_MIN, INT64_MAX});
  expect_bits_survive<std::int32_t>(DType::i32, {0, -1, INT32_MIN, INT32_MAX});
}

TEST(RoundTrip, LargeSlabsAreReadInPieces) {
  // Rows longer than a piece, and more rows than a piece holds: both ways to cut a slab.
  for (const auto& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{2, 2500000},
                                   std::pair<std::int64_t, std::int64_t>{90000, 60}}) {
    const TemporaryDirectory save;
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    std::iota(values.begin(), values.end(), 0.0F);
    const auto coordinator = make_solo_coordinator();
    CheckpointWriter writer(*coordinator, {save.path(), 0});
    test::write_and_finish(
        writer,
        {1, "{}", {{"w", DType::f32, {rows, cols}, {0, 0, rows, cols}, values.data(), cols}}});
    const CheckpointReader reader(save.path() / "step_00000001");
    for (int time = 0; time < 2; ++time) {
      std::vector<float> all(values.size());
      reader.read("w", {0, 0, rows, cols}, all.data(), cols);
      EXPECT_EQ(all, values);
      std::vector<float> corner(20);
      reader.read("w", {rows - 2, cols - 10, 2, 10}, corner.data(), 10);
      EXPECT_EQ(corner[0], values[static_cast<std::size_t>((rows - 1) * cols - 10)]);
      EXPECT_EQ(corner[19], values.back());
    }
  }
}

TEST(RoundTrip, RanksWithoutSlabsAreFine) {
  const TemporaryDirectory save;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  test::run_ranks(3, [&](Coordinator& coordinator) {
    CheckpointWriter writer(coordinator, {save.path(), 0});
    CheckpointContents contents{3, "{}", {}};
    if (coordinator.rank() == 1) {
      contents.slabs.push_back({"w", DType::f32, {2, 3}, {0, 0, 2, 3}, values.data(), 3});
    }
    if (coordinator.rank() == 2) {
      contents.slabs.push_back({"w", DType::f32, {2, 3}, {2, 0, 0, 3}, nullptr, 3});
    }
    test::write_and_finish(writer, std::move(contents));
  });
  const CheckpointReader reader(save.path() / "step_00000003");
  std::vector<float> found(6);
  reader.read("w", {0, 0, 2, 3}, found.data(), 3);
  EXPECT_EQ(found, values);
  EXPECT_TRUE(std::filesystem::exists(save.path() / "step_00000003" / shard_file_name(2)));
}

}  // namespace
}  // namespace longhaul
