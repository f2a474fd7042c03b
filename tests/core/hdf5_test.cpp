#include "core/hdf5.h"

#include <gtest/gtest.h>

#include <thread>

#include "metrics/temporary_directory.h"

namespace longhaul {
namespace {

TEST(Hdf5, AnIdentifierIsClosedOnce) {
  hid_t raw = H5I_INVALID_HID;
  {
    Hdf5Id first = make_text_type(3);
    raw = first.get();
    Hdf5Id second = std::move(first);
    EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): what a move leaves behind
    EXPECT_EQ(second.get(), raw);
    EXPECT_GT(H5Iis_valid(raw), 0);
    Hdf5Id third;
    third = std::move(second);
    EXPECT_GT(H5Iis_valid(raw), 0);
  }
  EXPECT_EQ(H5Iis_valid(raw), 0);
  Hdf5Id type = make_text_type(3);
  EXPECT_TRUE(type.close());
  EXPECT_FALSE(type.valid());
  EXPECT_TRUE(type.close());  // nothing left to do
}

TEST(Hdf5, SaysWhyACallFailedInTheThreadThatMadeIt) {
  silence_hdf5_errors();
  const test::TemporaryDirectory folder;
  const auto file = folder / "text.h5";
  test::write_file(file, "not HDF5 at all");
  const Hdf5Id access = make_file_access();
  testing::internal::CaptureStderr();
  EXPECT_LT(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()), 0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_NE(hdf5_error_text().find("file signature not found"), std::string::npos)
      << hdf5_error_text();
  std::string elsewhere;
  std::thread([&] { elsewhere = hdf5_error_text(); }).join();
  EXPECT_EQ(elsewhere, "no reason given");
}

TEST(Hdf5, TextsAreStoredInFullLength) {
  EXPECT_EQ(H5Tget_size(make_text_type(0).get()), 1U);
  EXPECT_EQ(H5Tget_size(make_text_type(5).get()), 5U);
  EXPECT_EQ(pad_text("").size(), 1U);
  EXPECT_EQ(pad_text("abc"), "abc");
  EXPECT_EQ(trim_text(pad_text("")), "");
  EXPECT_EQ(trim_text(std::string("ab\0\0", 4)), "ab");
}

}  // namespace
}  // namespace longhaul
