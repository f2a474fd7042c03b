#include "checkpoint/bulk_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "checkpoint/background_work.h"
#include "checkpoint/test_model.h"
#include "core/error.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;

std::string random_text(std::size_t bytes, std::mt19937& random) {
  std::string text(bytes, '\0');
  std::generate(text.begin(), text.end(), [&] { return static_cast<char>(random()); });
  return text;
}

void append(BulkFile& file, std::string_view text) {
  file.append(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

/// A file with something in it, some runs written over it, and the rest as it was.
void expect_runs_in_place(const fs::path& directory) {
  std::mt19937 random(1);
  for (int round = 0; round < 12; ++round) {
    std::string expected = random_text(3'000'000 + random() % 100, random);
    const fs::path path = directory / "file";
    write_text_file(path, expected);
    BulkFile file(path, {});
    std::size_t at = 0;
    while (true) {
      // Runs of all sizes: within a block, across some; adjacent to the one before or not.
      at += round % 3 == 0 ? 0 : random() % 20000;
      const std::size_t bytes = random() % (round % 2 == 0 ? 300000 : 9000);
      if (at + bytes > expected.size()) break;
      const std::string text = random_text(bytes, random);
      expected.replace(at, bytes, text);
      file.seek(static_cast<std::int64_t>(at));
      for (std::size_t done = 0; done < bytes;) {
        const std::size_t part = std::min<std::size_t>(bytes - done, 1 + random() % 20000);
        append(file, std::string_view(text).substr(done, part));
        done += part;
      }
      at += bytes;
    }
    file.sync();
    EXPECT_TRUE(read_text_file(path) == expected) << path << ", round " << round;
  }
}

TEST(BulkFile, WritesRunsInPlace) {
  const TemporaryDirectory folder;
  expect_runs_in_place(folder.path());
}

TEST(BulkFile, WritesRunsInPlaceInMemory) {  // which older systems cannot do past the page cache
  const fs::path shared("/dev/shm");
  if (!fs::is_directory(shared)) GTEST_SKIP() << "no /dev/shm";
  const fs::path folder = shared / fs::path(TemporaryDirectory().path()).filename();
  fs::create_directories(folder);
  expect_runs_in_place(folder);
  fs::remove_all(folder);
}

TEST(BulkFile, WritesMoreThanItsBuffer) {
  const TemporaryDirectory folder;
  const fs::path path = folder.path() / "file";
  std::mt19937 random(2);
  const std::string text = random_text(40'000'000, random);
  const std::string before = random_text(1000, random);
  write_text_file(path, before);
  BulkFile file(path, {});
  file.seek(777);
  append(file, text);
  file.seek(0);
  append(file, "begin");
  file.sync();
  EXPECT_TRUE(read_text_file(path) == "begin" + before.substr(5, 772) + text);
}

TEST(BulkFile, StopsWhenAsked) {
  const TemporaryDirectory folder;
  write_text_file(folder.path() / "file", "");
  std::stop_source stop;
  BulkFile file(folder.path() / "file", stop.get_token());
  append(file, "text");
  file.sync();
  stop.request_stop();
  append(file, "text");
  EXPECT_THROW(file.sync(), WorkStopped);
}

TEST(BulkFile, FailuresNameTheFile) {
  const std::string missing = test::message_of([] { const BulkFile file("/nowhere/file", {}); });
  EXPECT_NE(missing.find("/nowhere/file: cannot be opened for writing: "), std::string::npos);
  const std::string full = test::message_of([] {
    BulkFile file("/dev/full", {});
    append(file, std::string(10000, 'x'));
    file.sync();
  });
  EXPECT_NE(full.find("/dev/full: cannot write "), std::string::npos) << full;
  EXPECT_NE(full.find("No space left on device; free space"), std::string::npos) << full;
}

}  // namespace
}  // namespace longhaul
