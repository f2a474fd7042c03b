#include "metrics/file_io.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.h"
#include "temporary_directory.h"

namespace longhaul {
namespace {

using test::read_file;
using test::TemporaryDirectory;
using test::write_file;

TEST(FileIo, FullDiskSaysWhereAndWhatToDo) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const int file = open_for_append("/dev/full", OpenMode::existing_or_new);
  try {
    write_all(file, "text", "/dev/full");
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("/dev/full"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("free space"), std::string::npos) << error.what();
  }
  ::close(file);
}

TEST(FileIo, AppendsOrRefusesOrTruncates) {
  const TemporaryDirectory folder;
  const auto path = folder / "file";
  write_file(path, "old ");
  EXPECT_THROW(open_for_append(path, OpenMode::must_be_new), UserError);
  int file = open_for_append(path, OpenMode::existing_or_new);
  write_all(file, "new", path);
  sync_file(file, path);
  ::close(file);
  EXPECT_EQ(read_file(path), "old new");
  file = open_for_append(path, OpenMode::truncate);
  ::close(file);
  EXPECT_EQ(read_file(path), "");
}

TEST(FileIo, ReplaceLeavesOneFile) {
  const TemporaryDirectory folder;
  const auto path = folder / "file";
  write_file(path, "old");
  replace_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.tmp"));
}

}  // namespace
}  // namespace longhaul
