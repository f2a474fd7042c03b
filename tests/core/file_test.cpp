#include "core/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "core/error.h"
#include "metrics/temporary_directory.h"

namespace longhaul {
namespace {

using test::read_file;
using test::TemporaryDirectory;
using test::write_file;

/// The text of the UserError that `call` throws; "" when it throws none.
template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "the text is: \"" << text << "\"";
}

TEST(File, FullDiskSaysWhereAndWhatToDo) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const FileDescriptor file = open_to_append("/dev/full", AppendTo::existing_or_new);
  const std::string error = error_of([&] { append_text(file, "text", "/dev/full"); });
  EXPECT_TRUE(contains(error, "/dev/full: cannot be written: No space left on device"));
  EXPECT_TRUE(contains(error, "free space"));
}

TEST(File, AppendsOrRefuses) {
  const TemporaryDirectory folder;
  const auto path = folder / "file";
  write_file(path, "old ");
  const std::string error = error_of([&] { open_to_append(path, AppendTo::new_file); });
  EXPECT_TRUE(contains(error, path.string() + ": cannot be opened for writing: File exists; move"));
  const FileDescriptor file = open_to_append(path, AppendTo::existing_or_new);
  append_text(file, "new", path);
  sync_file(file, path);
  EXPECT_EQ(read_file(path), "old new");
  EXPECT_EQ(file_size(file, path), 7);
}

TEST(File, ReplaceLeavesOneFile) {
  const TemporaryDirectory folder;
  const auto path = folder / "file";
  write_file(path, "old and longer");
  replace_text_file(path, "new");
  EXPECT_EQ(read_text_file(path), "new");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.tmp"));
  const auto nowhere = folder / "no" / "file";
  EXPECT_TRUE(contains(error_of([&] { replace_text_file(nowhere, "x"); }),
                       nowhere.string() + ".tmp: cannot be created: No such file"));
}

TEST(File, ReplacesInTheCurrentFolder) {
  const TemporaryDirectory folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  EXPECT_EQ(error_of([] { replace_text_file("file", "new"); }), "");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(folder / "file"), "new");
}

TEST(File, ReadsAndWritesAtAnOffset) {
  const TemporaryDirectory folder;
  const auto path = folder / "file";
  create_file(path);
  const FileDescriptor file = open_to_write(path);
  write_at(file, 3, "def", 3, path);
  write_at(file, 0, "abc", 3, path);
  std::string text(4, '?');
  read_at(file, 1, text.data(), 4, path);
  EXPECT_EQ(text, "bcde");
  EXPECT_TRUE(contains(error_of([&] { read_at(file, 4, text.data(), 4, path); }),
                       path.string() + ": ends at byte 6, 2 B too early"));
}

TEST(File, RenameSaysWhatWasToBecomeWhat) {
  const TemporaryDirectory folder;
  const auto path = folder / "absent";
  EXPECT_TRUE(contains(error_of([&] { rename_path(path, folder / "other"); }),
                       path.string() + ": cannot be renamed to other: No such file"));
  EXPECT_EQ(error_of([&] { remove_path(path); }), "");  // nothing there is fine
}

TEST(File, DescriptorClosesWhatItOwns) {
  const TemporaryDirectory folder;
  const auto path = folder / "file";
  write_file(path, "x");
  FileDescriptor first = open_to_read(path);
  const int number = first.get();
  FileDescriptor second = std::move(first);
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): what a move leaves behind
  EXPECT_EQ(second.get(), number);
  second = FileDescriptor();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST(File, ReadsFilesOfAnySize) {
  const TemporaryDirectory folder;
  const auto path = folder / "file";
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 100000}) {
    const std::string text(size, 'x');
    write_file(path, text);
    EXPECT_EQ(read_text_file(path), text) << size;
  }
  // The files of /proc have no size, but content.
  EXPECT_TRUE(contains(read_text_file("/proc/self/status"), "Name:"));
  EXPECT_TRUE(contains(error_of([&] { read_text_file(folder.path()); }),
                       folder.path().string() + ": cannot be read: Is a directory; give a file"));
  EXPECT_TRUE(contains(error_of([&] { read_text_file(folder / "absent"); }),
                       "absent: cannot be opened for reading: No such file or directory; check"));
}

}  // namespace
}  // namespace longhaul
