// gzip and zstd data, read as lines.
#include "data/files/compression.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "core/error.h"
#include "data/batch_test_support.h"
#include "data/files/unpacking_stream.h"
#include "data/packed_test_support.h"
#include "data/rows/row_reader.h"

namespace longhaul {
namespace {

using test::gzip;
using test::TemporaryDirectory;
using test::write_bytes;
using test::zstd;

/// "number@offset:text" of every line, and the error that ended them, if one did.
struct Seen {
  std::vector<std::string> lines;
  std::string error;
};

Seen read_lines(LineReader& reader) {
  Seen seen;
  try {
    LineReader::Line line;
    while (reader.next(line)) {
      seen.lines.push_back(fmt::format("{}@{}:{}", line.number, line.offset, line.text));
    }
  } catch (const UserError& error) {
    seen.error = error.what();
  }
  return seen;
}

Seen read_lines(const std::string& bytes) {
  std::istringstream stream(bytes);
  LineReader reader(stream, "rows.gz");
  return read_lines(reader);
}

using Lines = std::vector<std::string>;
using Pack = std::string (*)(std::string_view);
std::string gzip6(std::string_view text) { return gzip(text); }
std::string zstd0(std::string_view text) { return zstd(text); }

class BothFormats : public testing::TestWithParam<Pack> {};
INSTANTIATE_TEST_SUITE_P(Compression, BothFormats, testing::Values(gzip6, zstd0));

TEST_P(BothFormats, LinesAreThoseOfTheText) {
  const Pack pack = GetParam();
  const std::string text = "\xEF\xBB\xBF{1}\r\n\n{2}\nlast";
  const Seen seen = read_lines(pack(text));
  EXPECT_EQ(seen.lines, (Lines{"1@3:{1}", "3@9:{2}", "4@13:last"}));
  EXPECT_EQ(seen.error, "");
}

TEST_P(BothFormats, PartsOneAfterAnotherAreOneText) {
  const Pack pack = GetParam();
  const std::string packed = pack("a\nb") + pack("") + pack("c\n") + pack("d\n");
  EXPECT_EQ(read_lines(packed).lines, (Lines{"1@0:a", "2@2:bc", "3@5:d"}));
}

TEST_P(BothFormats, EmptyTextHasNoLines) {
  const Seen seen = read_lines(GetParam()(""));
  EXPECT_TRUE(seen.lines.empty());
  EXPECT_EQ(seen.error, "");
}

TEST_P(BothFormats, LargeTextThroughSmallBuffers) {
  std::mt19937_64 random(5);
  std::string text;
  Lines expected;
  for (int i = 1; text.size() < 3'000'000; ++i) {
    std::string line;
    const std::size_t length = i % 50 == 0 ? 200'000 : random() % 300;
    const char letter = static_cast<char>('a' + i % 26);
    while (line.size() < length)
      line += i % 3 == 0 ? letter : static_cast<char>('a' + random() % 26);
    if (!line.empty()) expected.push_back(fmt::format("{}@{}:{}", i, text.size(), line));
    text += line + "\n";
  }
  const Seen seen = read_lines(GetParam()(text));
  EXPECT_EQ(seen.error, "");
  ASSERT_EQ(seen.lines.size(), expected.size());
  EXPECT_TRUE(seen.lines == expected);
}

TEST_P(BothFormats, EveryTruncationIsNoticed) {
  const std::string text = "first line\nsecond line\nthird line\n";
  const std::string packed = GetParam()(text);
  const Lines all = read_lines(packed).lines;
  ASSERT_EQ(all.size(), 3U);
  for (std::size_t size = kSignatureBytes; size < packed.size(); ++size) {
    const Seen seen = read_lines(packed.substr(0, size));
    EXPECT_NE(seen.error.find("rows.gz: the "), std::string::npos) << size << ": " << seen.error;
    EXPECT_NE(seen.error.find("ends too early"), std::string::npos) << size << ": " << seen.error;
    ASSERT_LE(seen.lines.size(), 3U);
    EXPECT_TRUE(std::equal(seen.lines.begin(), seen.lines.end(), all.begin())) << size;
    EXPECT_NE(seen.error.find(fmt::format("{} whole lines", seen.lines.size())), std::string::npos)
        << size << ": " << seen.error;
  }
}

TEST_P(BothFormats, EveryChangedByteIsNoticedOrHarmless) {
  const std::string text = "first line\nsecond line\nthird line\n";
  const std::string packed = GetParam()(text);
  const Lines all = read_lines(packed).lines;
  int noticed = 0;
  for (std::size_t at = kSignatureBytes; at < packed.size(); ++at) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    const Seen seen = read_lines(damaged);
    noticed += seen.error.empty() ? 0 : 1;
    // gzip's header has a time, an operating system and flags that need not be right.
    if (seen.error.empty()) {
      EXPECT_EQ(seen.lines, all) << at;
    }
  }
  EXPECT_GT(noticed, static_cast<int>(packed.size()) - 14);
}

TEST_P(BothFormats, WhatIsGoodComesBeforeTheDamage) {
  std::mt19937_64 random(6);
  std::string text;
  for (int i = 0; i < 40000; ++i) text += fmt::format("{} {}\n", i, random());
  const Pack pack = GetParam();
  const std::string begin = pack(text);
  std::string second = pack(text);
  second[second.size() / 2] ^= 0x10;
  const Lines all = read_lines(begin).lines;
  const Seen seen = read_lines(begin + second);
  EXPECT_GE(seen.lines.size(), 40000U);
  EXPECT_LT(seen.lines.size(), 80000U);
  EXPECT_TRUE(std::equal(all.begin(), all.end(), seen.lines.begin()));
  EXPECT_NE(seen.error.find("damaged after byte "), std::string::npos) << seen.error;
}

TEST_P(BothFormats, WhatFollowsIsNotIgnored) {
  const std::string packed = GetParam()("a\n");
  for (const std::string& rest :
       Lines{"garbage", "\n", "{\"id\": 1}\n", "\x1F", "\x1F\x8Bxxxxxxxx"}) {
    const Seen seen = read_lines(packed + rest);
    EXPECT_EQ(seen.lines, (Lines{"1@0:a"})) << rest;
    EXPECT_NE(seen.error, "") << rest;
    const bool named = seen.error.find("what follows is not") != std::string::npos ||
                       seen.error.find("ends too early") != std::string::npos ||
                       rest.starts_with("\x1F\x8B");
    EXPECT_TRUE(named) << rest << ": " << seen.error;
  }
}

TEST(Compression, ZeroBytesPadGzip) {
  const std::string packed = gzip("a\n");
  EXPECT_EQ(read_lines(packed + std::string(5000, '\0')).error, "");
  EXPECT_EQ(read_lines(packed + std::string(5000, '\0')).lines, (Lines{"1@0:a"}));
  EXPECT_NE(read_lines(packed + std::string(5000, '\0') + packed).error, "");
}

TEST(Compression, SkippedFramesOfZstd) {
  const std::string skipped("\x5A\x2A\x4D\x18\x03\x00\x00\x00???", 11);
  EXPECT_EQ(read_lines(skipped + zstd("a\n") + skipped + zstd("b\n")).lines,
            (Lines{"1@0:a", "2@2:b"}));
}

TEST(Compression, LongWindows) {
  std::string text;
  for (int i = 0; i < 300000; ++i) text += fmt::format("{}\n", i);
  const std::size_t lines = 300000;
  for (const int window : {27, 28, 31}) {
    const std::string packed = zstd(text, window);
    const Seen seen = read_lines(packed);
    EXPECT_EQ(seen.error, "") << window;
    EXPECT_EQ(seen.lines.size(), lines) << window;
  }
}

TEST(Compression, TextThatLooksPackedIsText) {
  for (const std::string& text : Lines{"\x1F", "(", "(x)", "[1]", "P", "[", "B\n", "\x1Fx\n",
                                       "(\xB5/", "Bz2 is a format", "PK\x03"}) {
    const Seen seen = read_lines(text);
    ASSERT_EQ(seen.lines.size(), 1U) << text;
    EXPECT_EQ(seen.lines[0], "1@0:" + text.substr(0, text.find('\n')));
    EXPECT_EQ(seen.error, "");
  }
}

TEST(Compression, OtherFormatsAreNamed) {
  EXPECT_NE(read_lines(std::string("\xFD\x37zXZ\0 data", 12)).error.find("packed as xz"),
            std::string::npos);
  EXPECT_NE(read_lines("BZh91AY&SY data").error.find("packed as bzip2"), std::string::npos);
  EXPECT_NE(read_lines("PK\x03\x04 data").error.find("packed as zip"), std::string::npos);
}

TEST(Compression, TheNameDoesNotMatter) {
  const TemporaryDirectory folder;
  write_bytes(folder.path() / "text.jsonl.gz", "a\nb\n");
  write_bytes(folder.path() / "packed.jsonl", gzip("a\nb\n"));
  write_bytes(folder.path() / "packed.zst", zstd("a\nb\n"));
  for (const char* name : {"text.jsonl.gz", "packed.jsonl", "packed.zst"}) {
    LineReader reader(folder.path() / name);
    EXPECT_EQ(read_lines(reader).lines, (Lines{"1@0:a", "2@2:b"})) << name;
  }
}

TEST(Compression, PackedTwiceIsUnpackedOnce) {
  const Seen seen = read_lines(gzip(gzip("a\n")));
  ASSERT_FALSE(seen.lines.empty());
  EXPECT_EQ(seen.lines[0].substr(4, 2), "\x1F\x8B");
}

/// Gives one byte at a time, and counts them: a terminal or a slow pipe.
class SlowBuffer : public std::streambuf {
 public:
  explicit SlowBuffer(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] std::size_t given() const { return at_; }

 protected:
  int_type underflow() override {
    if (at_ == bytes_.size()) return traits_type::eof();
    current_ = bytes_[at_++];
    setg(&current_, &current_, &current_ + 1);
    return traits_type::to_int_type(current_);
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  char current_ = 0;
};

TEST(Compression, NoMoreIsReadThanALineNeeds) {
  SlowBuffer buffer("[1]\n[2]\n");
  std::istream stream(&buffer);
  LineReader reader(stream, "stdin");
  EXPECT_EQ(buffer.given(), 0U);
  LineReader::Line line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line.text, "[1]");
  EXPECT_LE(buffer.given(), 5U);

  const std::string first = zstd("a\n");
  SlowBuffer slow(first + zstd("b\n"));
  std::istream packed(&slow);
  LineReader unpacker(packed, "stdin");
  ASSERT_TRUE(unpacker.next(line));
  EXPECT_EQ(line.text, "a");
  EXPECT_LE(slow.given(), first.size() + 1);
  ASSERT_TRUE(unpacker.next(line));
  EXPECT_EQ(line.text, "b");
  EXPECT_FALSE(unpacker.next(line));
}

}  // namespace
}  // namespace longhaul
