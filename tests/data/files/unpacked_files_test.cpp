#include "data/files/unpacked_files.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"
#include "data/batch_test_support.h"
#include "data/packed_test_support.h"

namespace longhaul {
namespace {

using test::gzip;
using test::read_bytes;
using test::TemporaryDirectory;
using test::write_bytes;
using test::zstd;

class UnpackFile : public testing::Test {
 protected:
  DataFile packed(const std::string& bytes) const {
    const auto path = folder_.path() / "rows.jsonl.gz";
    write_bytes(path, bytes);
    return find_data_file(path);
  }
  std::string complaint(const DataFile& file, const std::filesystem::path& target) const {
    try {
      unpack_file(file, target, 100, SyncFile::no);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryDirectory folder_;
  std::filesystem::path target_ = folder_.path() / "text";
};

TEST_F(UnpackFile, TextAndLineEndsOfItsBlocks) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += std::string(i % 7, 'x') + "\n";
  for (const std::string& bytes : {gzip(text), zstd(text)}) {
    const DataFile file = packed(bytes);
    EXPECT_NE(file.compression, Compression::none);
    EXPECT_EQ(file.bytes, std::ssize(bytes));
    for (const std::int64_t block : {1, 7, 4096, 1 << 20}) {
      const UnpackedText result = unpack_file(file, target_, block, SyncFile::yes);
      EXPECT_EQ(result.bytes, std::ssize(text));
      ASSERT_EQ(std::ssize(result.line_ends), (result.bytes + block - 1) / block);
      const auto middle = static_cast<std::int64_t>(result.line_ends.size() / 2);
      const std::int64_t before =
          std::accumulate(result.line_ends.begin(), result.line_ends.begin() + middle, 0L);
      EXPECT_EQ(before, std::count(text.begin(), text.begin() + middle * block, '\n'));
    }
    EXPECT_EQ(read_bytes(target_), text);
  }
}

TEST_F(UnpackFile, WithoutItTheFirstBlockHasAllLines) {
  std::string text;
  for (int i = 1; i <= 1000; ++i) text += fmt::format("{}\n", i);
  const DataFile file = packed(gzip(text));
  std::int64_t lines = 0;
  for (const RowBlock& block : make_blocks({&file, 1}, 100)) {
    for_each_line(file, block, 7, [&](const LineReader::Line& line) {
      EXPECT_EQ(line.number, ++lines);
      EXPECT_EQ(line.text, std::to_string(lines));
    });
  }
  EXPECT_EQ(lines, 1000);
}

TEST_F(UnpackFile, AFullDiskIsOneMessage) {
  const std::string text = complaint(packed(gzip("a\nb\n")), "/dev/full");
  EXPECT_NE(text.find("rows.jsonl.gz: has no room to be unpacked"), std::string::npos) << text;
  EXPECT_NE(text.find("No space left on device"), std::string::npos) << text;
  EXPECT_NE(text.find("--token_cache_dir"), std::string::npos) << text;
}

TEST_F(UnpackFile, NoTextIsAnError) {
  for (const std::string& bytes : {gzip(""), zstd(""), gzip("") + gzip("")}) {
    EXPECT_NE(complaint(packed(bytes), target_).find("data of 0 bytes"), std::string::npos);
  }
}

TEST_F(UnpackFile, AFileThatChangedIsAnError) {
  const DataFile file = packed(gzip("a\nb\n"));
  packed(gzip("a\nb\n") + gzip("c\n"));
  EXPECT_NE(complaint(file, target_).find("changed from"), std::string::npos);
}

}  // namespace
}  // namespace longhaul
