#include "hf/byte_size.h"

#include <gtest/gtest.h>

#include "hf/hf_test_support.h"

namespace longhaul {
namespace {

TEST(ByteSize, UnitsAreDecimalOrBinaryAsSpelled) {
  EXPECT_EQ(parse_byte_size("4096", "--size"), 4096);
  EXPECT_EQ(parse_byte_size("7B", "--size"), 7);
  EXPECT_EQ(parse_byte_size("5GB", "--size"), 5'000'000'000);
  EXPECT_EQ(parse_byte_size("200MB", "--size"), 200'000'000);
  EXPECT_EQ(parse_byte_size("200 mb", "--size"), 200'000'000);
  EXPECT_EQ(parse_byte_size("1.5kb", "--size"), 1500);
  EXPECT_EQ(parse_byte_size("2TB", "--size"), 2'000'000'000'000);
  EXPECT_EQ(parse_byte_size("4KiB", "--size"), 4096);
  EXPECT_EQ(parse_byte_size("0.5MiB", "--size"), 524288);
  EXPECT_EQ(parse_byte_size("1GiB", "--size"), 1 << 30);
}

TEST(ByteSize, RefusesEverythingElse) {
  for (const char* text : {"", "GB", "5XB", "-5GB", "0", "0.1B", "5 G B", "nan", "inf", "1e99TB",
                           "99999999TB", "5GB or so"}) {
    EXPECT_TRUE(test::contains(
        test::error_of([&] { parse_byte_size(text, "--max_shard_size"); }),
        std::string("--max_shard_size: '") + text + "' is no size; write a number and a unit"));
  }
}

}  // namespace
}  // namespace longhaul
