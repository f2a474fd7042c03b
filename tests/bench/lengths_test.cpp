#include "bench/lengths.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "metrics/temporary_directory.h"

namespace longhaul::bench {
namespace {

using Lengths = std::vector<std::int64_t>;

std::string refusal(const LengthFlags& flags) {
  try {
    (void)document_lengths(flags, 100);
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Lengths, WaysToGiveThem) {
  EXPECT_EQ(document_lengths({}, 100), (Lengths{100}));
  EXPECT_EQ(document_lengths({.tokens = 7}, 100), (Lengths{7}));
  EXPECT_EQ(document_lengths({.tokens = 7, .documents = 3}, 100), (Lengths{3, 2, 2}));
  EXPECT_EQ(document_lengths({.lengths = "5, 6,7"}, 100), (Lengths{5, 6, 7}));
  EXPECT_EQ(document_lengths({.tokens = 18, .lengths = "5,6,7"}, 100), (Lengths{5, 6, 7}));
}

TEST(Lengths, FromAFile) {
  const test::TemporaryDirectory folder;
  const std::filesystem::path file = folder / "lengths.txt";
  write_text_file(file, "12\n\n 7 \r\n");
  EXPECT_EQ(document_lengths({.lengths_file = file.string()}, 100), (Lengths{12, 7}));
  write_text_file(file, "12\nseven\n");
  EXPECT_NE(refusal({.lengths_file = file.string()}).find("lengths.txt:2: 'seven'"),
            std::string::npos);
  write_text_file(file, "\n");
  EXPECT_NE(refusal({.lengths_file = file.string()}).find("holds no lengths"), std::string::npos);
}

TEST(Lengths, Refusals) {
  EXPECT_NE(refusal({.lengths = "5,6", .documents = 2}).find("one of --lengths"),
            std::string::npos);
  EXPECT_NE(refusal({.lengths = "5,0"}).find("'0' is no length"), std::string::npos);
  EXPECT_NE(refusal({.lengths = "5,,6"}).find("'' is no length"), std::string::npos);
  EXPECT_NE(refusal({.lengths = "5,6x"}).find("'6x' is no length"), std::string::npos);
  EXPECT_NE(refusal({.tokens = 12, .lengths = "5,6"}).find("add up to 11"), std::string::npos);
  EXPECT_NE(refusal({.tokens = 2, .documents = 3}).find("--documents 3"), std::string::npos);
  EXPECT_NE(refusal({.documents = -1}).find("--documents -1"), std::string::npos);
  EXPECT_NE(refusal({.tokens = -1}).find("--tokens -1"), std::string::npos);
  EXPECT_NE(refusal({.lengths = "2000000000,2000000000"}).find("at most"), std::string::npos);
}

TEST(Lengths, Sums) {
  EXPECT_EQ(sum_of({3, 4}), 7);
  EXPECT_EQ(sum_of_squares_of({3, 4}), 25.0);
  EXPECT_EQ(describe_lengths({4096, 4096}), "2 documents of 4,096");
  EXPECT_EQ(describe_lengths({7}), "1 document of 7");
  EXPECT_EQ(describe_lengths({9, 7, 8}), "3 documents of 7 to 9");
}

}  // namespace
}  // namespace longhaul::bench
