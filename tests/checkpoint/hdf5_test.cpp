// The HDF5 side: element types and messages.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "checkpoint/checkpoint_hdf5.h"
#include "checkpoint/hdf5_table.h"
#include "checkpoint/test_model.h"
#include "core/file.h"
#include "core/tensor/float_formats.h"

namespace longhaul {
namespace {

using test::message_of;
using test::TemporaryDirectory;

TEST(Hdf5Type, SizesMatchMemory) {
  for (const DType dtype :
       {DType::f32, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8, DType::f64}) {
    const Hdf5Id type = make_hdf5_type(dtype);
    EXPECT_EQ(H5Tget_size(type.get()), size_of(dtype)) << name_of(dtype);
    EXPECT_EQ(impossible_value(dtype).size(), size_of(dtype)) << name_of(dtype);
  }
}

/// HDF5 itself must understand our 16-bit floats, or no tool shows them right. (Its way from 16 to
/// 32 bits is sound; the way back is not, and never used.)
TEST(Hdf5Type, Hdf5ReadsOurSixteenBitFloats) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    std::vector<std::uint16_t> bits(65536);
    std::iota(bits.begin(), bits.end(), std::uint16_t{0});
    std::vector<float> values(bits.size());
    std::memcpy(values.data(), bits.data(), bits.size() * 2);
    const Hdf5Id type = make_hdf5_type(dtype);
    ASSERT_GE(
        H5Tconvert(type.get(), H5T_NATIVE_FLOAT, bits.size(), values.data(), nullptr, H5P_DEFAULT),
        0);
    for (std::size_t i = 0; i < bits.size(); ++i) {
      const float expected = dtype == DType::bf16 ? bf16_to_f32(bits[i]) : f16_to_f32(bits[i]);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(values[i])) << i;
      } else {
        EXPECT_EQ(values[i], expected) << i;
      }
    }
  }
}

TEST(Hdf5File, MessagesNameFileAndReason) {
  const TemporaryDirectory folder;
  const auto file = folder.path() / "text.h5";
  write_text_file(file, "not HDF5 at all");
  const std::string text = message_of([&] { open_hdf5_file(file); });
  EXPECT_NE(text.find(file.string()), std::string::npos) << text;
  EXPECT_NE(text.find("file signature not found"), std::string::npos) << text;
}

TEST(Hdf5File, TextOfAnyLengthComesBack) {
  const TemporaryDirectory folder;
  const auto file = folder.path() / "text.h5";
  const std::string long_text(200000, 'x');  // more than an attribute can hold
  {
    const Hdf5Id id = create_hdf5_file(file);
    write_text_dataset(id.get(), "a/long", long_text, file);
    write_text_dataset(id.get(), "a/empty", "", file);
    write_attribute(id.get(), "word", std::string("Größe"), file);
    write_attribute(id.get(), "number", std::int64_t{-7}, file);
  }
  const Hdf5Id id = open_hdf5_file(file);
  EXPECT_EQ(read_text_dataset(id.get(), "a/long", file), long_text);
  EXPECT_EQ(read_text_dataset(id.get(), "a/empty", file), "");
  EXPECT_EQ(read_string_attribute(id.get(), "word", file), "Größe");
  EXPECT_EQ(read_integer_attribute(id.get(), "number", file), -7);
  EXPECT_NE(message_of([&] {
              read_integer_attribute(id.get(), "word", file);
            }).find("not a 64-bit integer"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              read_string_attribute(id.get(), "absent", file);
            }).find("no attribute 'absent'"),
            std::string::npos);
}

TEST(Hdf5Table, FindsColumnsByNameAndIgnoresOthers) {
  const TemporaryDirectory folder;
  const auto file = folder.path() / "table.h5";
  {
    const Hdf5Id id = create_hdf5_file(file);
    Hdf5Table table({{"new"}, {"name", ColumnKind::text, 5}, {"sum", ColumnKind::crc32}}, 2);
    table.set(0, 1, "abcde");
    table.set(1, 1, "f");
    table.set(1, 2, std::int64_t{0xffffffff});
    table.write(id.get(), "tables/t", file);
    Hdf5Table({{"n"}}, 0).write(id.get(), "tables/empty", file);
  }
  const Hdf5Id id = open_hdf5_file(file);
  const Hdf5Table table = Hdf5Table::read(
      id.get(), "tables/t", {{"sum", ColumnKind::crc32}, {"name", ColumnKind::text, 0}}, file);
  ASSERT_EQ(table.rows(), 2U);
  EXPECT_EQ(table.text(0, 1), "abcde");
  EXPECT_EQ(table.text(1, 1), "f");
  EXPECT_EQ(table.integer(1, 0), 0xffffffff);
  EXPECT_EQ(Hdf5Table::read(id.get(), "tables/empty", {{"n"}}, file).rows(), 0U);
  EXPECT_NE(message_of([&] {
              Hdf5Table::read(id.get(), "tables/t", {{"sum"}}, file);
            }).find("no column 'sum' of the right type"),
            std::string::npos);
}

}  // namespace
}  // namespace longhaul
