#include "preflight/finding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "metrics/humanize.h"
#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

TEST(RankRanges, JoinsRuns) {
  EXPECT_EQ(rank_ranges({}), "");
  EXPECT_EQ(rank_ranges({4}), "4");
  EXPECT_EQ(rank_ranges({3, 1, 2, 0}), "0-3");
  EXPECT_EQ(rank_ranges({7, 0, 1, 2, 9, 10, 7}), "0-2, 7, 9-10");
}

TEST(SplitAdvice, AtASentenceElseAtTheLastSemicolon) {
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(split_advice("a; b: c; do it"), Pair("a; b: c", "do it"));
  EXPECT_EQ(split_advice("it is bad. Do it; or not"), Pair("it is bad", "Do it; or not"));
  EXPECT_EQ(split_advice("file rows.jsonl is bad"), Pair("file rows.jsonl is bad", ""));
  EXPECT_EQ(split_advice("see e.g. this; do it"), Pair("see e.g. this", "do it"));
  EXPECT_EQ(split_advice(""), Pair("", ""));
}

TEST(FindingTable, OneRowForWhatManyRanksHave) {
  std::vector<Finding> findings;
  for (int rank = 0; rank < 16; ++rank) {
    const std::string host = rank < 8 ? "node1" : "node2";
    findings.push_back({Severity::warning, rank, host, "slow", "wait"});
  }
  findings.push_back({Severity::failure, 3, "node1", "broken", "mend it"});
  const std::string text = finding_table(findings, 80);
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_EQ(lines, 5) << text;  // head, rule, failure, warning with two hosts
  EXPECT_LT(text.find("broken"), text.find("slow")) << text;
  EXPECT_TRUE(contains(text, "0-15")) << text;
  EXPECT_TRUE(contains(text, "failed")) << text;
}

TEST(FindingTable, CountsHostsBeyondAFew) {
  std::vector<Finding> findings;
  for (int rank = 0; rank < 20; ++rank) {
    findings.push_back({Severity::failure, rank, "node" + std::to_string(rank), "x", "y"});
  }
  const std::string text = finding_table(findings, 80);
  EXPECT_TRUE(contains(text, "and 15 more")) << text;
  EXPECT_FALSE(contains(text, "node7")) << text;
}

TEST(FindingTable, KeepsLinesWholeInFiles) {
  std::string words;
  for (int i = 0; i < 60; ++i) words += "word" + std::to_string(i) + " ";
  const std::string text = finding_table({{Severity::failure, 0, "node", words + "end", "do it"},
                                          {Severity::failure, 1, "b", "x", "y"}},
                                         kNoWrapping);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;
  EXPECT_TRUE(contains(text, words + "end  do it\n")) << text;
}

TEST(FindingTable, WrapsAtWordsAndKeepsLongOnes) {
  const std::string path = "/a/very/long/path/" + std::string(60, 'x') + "/rows.jsonl";
  std::string words;
  for (int i = 0; i < 60; ++i) words += "word" + std::to_string(i) + " ";
  const std::string text =
      finding_table({{Severity::failure, 0, "node", path + ": " + words, words}}, 90);
  EXPECT_TRUE(contains(text, path)) << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!contains(line, path)) {
      EXPECT_LE(display_width(line), 91U) << line;
    }
  }
  for (int i = 0; i < 60; ++i) {
    EXPECT_TRUE(contains(text, "word" + std::to_string(i))) << i << "\n" << text;
  }
  // However narrow, it does not fail.
  EXPECT_FALSE(finding_table({{Severity::failure, 0, "node", words, words}}, 1).empty());
}

}  // namespace
}  // namespace longhaul::preflight
