#include "data/rows/row_blocks.h"

#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "core/sha256.h"
#include "data/batch_test_support.h"

namespace longhaul {
namespace {

using test::TemporaryDirectory;
using test::write_bytes;

using Lines = std::vector<std::pair<std::int64_t, std::string>>;

/// All lines through blocks of the given size.
Lines through_blocks(const std::filesystem::path& path, std::int64_t block_bytes) {
  const std::vector<DataFile> files = {find_data_file(path)};
  Lines lines;
  std::int64_t line_ends = 0;
  for (const RowBlock& block : make_blocks(files, block_bytes)) {
    for_each_line(files[0], block, line_ends, [&](const LineReader::Line& line) {
      lines.emplace_back(line.number, std::string(line.text));
    });
    line_ends += summarize_block(files[0], block).line_ends;
  }
  return lines;
}

Lines at_once(const std::filesystem::path& path) {
  LineReader reader(path);
  LineReader::Line line;
  Lines lines;
  while (reader.next(line)) lines.emplace_back(line.number, std::string(line.text));
  return lines;
}

TEST(RowBlocks, AnyBlockSizeGivesTheLinesOfTheWholeFile) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  const std::vector<std::string> contents = {
      "one\ntwo\nthree",                              // the last line has no end
      "one\r\n\r\ntwo\r\n",                           // Windows ends, a blank line
      "\n\n\n",                                       // nothing but ends
      "\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n",           // a byte order mark counts only in front
      "a\n" + std::string(200, 'x') + "\nb\n   \nc",  // one line across many blocks
      std::string(50, 'y'),                           // one line in all
  };
  for (const std::string& content : contents) {
    write_bytes(path, content);
    const Lines expected = at_once(path);
    for (std::int64_t block = 1; block < 40; ++block) {
      EXPECT_EQ(through_blocks(path, block), expected) << "block " << block << " of " << content;
    }
  }
}

TEST(RowBlocks, RandomFiles) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  std::mt19937_64 random(3);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::string content;
    const std::size_t bytes = 1 + random() % 3000;
    while (content.size() < bytes) {
      content += std::string(random() % (random() % 4 == 0 ? 400 : 30), 'a');
      content += random() % 5 == 0 ? "\r\n" : "\n";
    }
    if (random() % 2 == 0) content.pop_back();
    if (content.empty()) continue;
    write_bytes(path, content);
    for (const std::int64_t block : {7, 64, 1000, 100000}) {
      ASSERT_EQ(through_blocks(path, block), at_once(path)) << "block " << block;
    }
  }
}

TEST(RowBlocks, SummaryIsOfTheBytes) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  write_bytes(path, "ab\ncd\nef");
  const DataFile file = find_data_file(path);
  EXPECT_EQ(file.bytes, 8);
  const BlockSummary summary = summarize_block(file, {0, 2, 6});
  EXPECT_EQ(summary.line_ends, 2);
  EXPECT_EQ(summary.sha256, sha256_hex("\ncd\n"));
}

std::string complaint_about(const std::filesystem::path& path) {
  try {
    static_cast<void>(find_data_file(path));
    return "";
  } catch (const UserError& error) {
    return error.what();
  }
}

TEST(RowBlocks, BadFilesAreNamed) {
  const TemporaryDirectory folder;
  const auto absent = folder.path() / "absent.jsonl";
  EXPECT_EQ(complaint_about(absent),
            absent.string() + ": cannot be found; check --dataset and --val_dataset");
  EXPECT_NE(complaint_about(folder.path()).find("is a directory"), std::string::npos);
  write_bytes(folder.path() / "empty.jsonl", "");
  EXPECT_NE(complaint_about(folder.path() / "empty.jsonl").find("is empty (0 bytes)"),
            std::string::npos);
  EXPECT_NE(complaint_about("/dev/null").find("not a regular file"), std::string::npos);
}

TEST(RowBlocks, AFileThatBecameShorterIsAnError) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  write_bytes(path, "ab\ncd\nef");
  const DataFile file = find_data_file(path);
  write_bytes(path, "ab\n");
  EXPECT_THROW(for_each_line(file, {0, 0, 8}, 0, [](const LineReader::Line&) {}), UserError);
}

}  // namespace
}  // namespace longhaul
