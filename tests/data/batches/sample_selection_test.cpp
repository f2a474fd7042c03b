// Which samples are kept and where: length policy, split, and the list of the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "data/batch_test_support.h"
#include "data/batches/length_policy.h"
#include "data/batches/sample_split.h"
#include "data/cache/rejected_log.h"

namespace longhaul {
namespace {

using test::TemporaryDirectory;

TEST(LengthPolicy, WhatFitsIsKeptWhole) {
  for (const auto strategy : {TruncationStrategy::remove, TruncationStrategy::keep_end,
                              TruncationStrategy::keep_begin, TruncationStrategy::stop}) {
    const KeptPart part = apply_length_policy(10, 3, 9, 10, strategy);
    EXPECT_EQ(part.verdict, LengthVerdict::whole);
    EXPECT_EQ(part.begin, 0);
    EXPECT_EQ(part.length, 10);
  }
}

TEST(LengthPolicy, DeleteKeepsNothing) {
  const KeptPart part = apply_length_policy(11, 3, 9, 10, TruncationStrategy::remove);
  EXPECT_EQ(part.verdict, LengthVerdict::too_long);
  EXPECT_EQ(part.length, 0);
}

TEST(LengthPolicy, LeftKeepsTheEnd) {
  const KeptPart part = apply_length_policy(15, 1, 6, 10, TruncationStrategy::keep_end);
  EXPECT_EQ(part.verdict, LengthVerdict::cut);
  EXPECT_EQ(part.begin, 5);
  EXPECT_EQ(part.length, 10);
  // Token 5 would be the first that is left, and nothing predicts the first.
  EXPECT_EQ(apply_length_policy(15, 1, 5, 10, TruncationStrategy::keep_end).verdict,
            LengthVerdict::loss_cut_off);
}

TEST(LengthPolicy, RightKeepsTheBeginning) {
  const KeptPart part = apply_length_policy(15, 9, 14, 10, TruncationStrategy::keep_begin);
  EXPECT_EQ(part.verdict, LengthVerdict::cut);
  EXPECT_EQ(part.begin, 0);
  EXPECT_EQ(part.length, 10);
  EXPECT_EQ(apply_length_policy(15, 10, 14, 10, TruncationStrategy::keep_begin).verdict,
            LengthVerdict::loss_cut_off);
}

TEST(LengthPolicy, FlagValues) {
  for (const char* name : {"delete", "left", "right", "error"}) {
    EXPECT_EQ(name_of(parse_truncation_strategy(name)), name);
  }
  EXPECT_THROW(parse_truncation_strategy("middle"), UserError);
}

std::vector<std::int64_t> numbers(std::int64_t count) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), std::int64_t{100});
  return result;
}

TEST(SampleSplit, SizesAndDisjointness) {
  struct Case {
    std::int64_t samples;
    double ratio;
    std::size_t aside;
  };
  for (const Case& c :
       {Case{100, 0.0, 0}, Case{100, 0.01, 1}, Case{100, 0.256, 25}, Case{5, 0.01, 1},
        Case{2, 0.99, 1}, Case{1, 0.5, 0}, Case{0, 0.5, 0}, Case{3, 0.999, 2}}) {
    const auto samples = numbers(c.samples);
    const SampleSplit split = split_samples(samples, c.ratio, 42);
    EXPECT_EQ(split.validation.size(), c.aside) << c.samples << " " << c.ratio;
    EXPECT_TRUE(std::is_sorted(split.training.begin(), split.training.end()));
    EXPECT_TRUE(std::is_sorted(split.validation.begin(), split.validation.end()));
    std::vector<std::int64_t> all = split.training;
    all.insert(all.end(), split.validation.begin(), split.validation.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, samples);
  }
}

TEST(SampleSplit, TheSeedDecides) {
  const auto samples = numbers(1000);
  EXPECT_EQ(split_samples(samples, 0.1, 1).validation, split_samples(samples, 0.1, 1).validation);
  EXPECT_NE(split_samples(samples, 0.1, 1).validation, split_samples(samples, 0.1, 2).validation);
}

TEST(SampleSplit, BadRatios) {
  for (const double ratio : {-0.1, 1.0, 2.0, std::nan("")}) {
    EXPECT_THROW(split_samples(numbers(5), ratio, 1), UserError) << ratio;
  }
}

TEST(RejectedLog, OneJsonObjectARow) {
  const TemporaryDirectory folder;
  const auto file = folder.path() / "rejected.jsonl";
  write_rejected_log(file, {{"a \"b\".jsonl", 3, -1, "", "not JSON: \\ at byte 3"},
                            {"c.jsonl", 7, 70000, "id 世界", "longer than max_length 64000"}});
  EXPECT_EQ(
      test::read_bytes(file),
      R"({"file": "a \"b\".jsonl", "line": 3, "id": null, "reason": "not JSON: \\ at byte 3", "length": null})"
      "\n"
      R"({"file": "c.jsonl", "line": 7, "id": "id 世界", "reason": "longer than max_length 64000", "length": 70000})"
      "\n");
  write_rejected_log(file, {});
  EXPECT_EQ(test::read_bytes(file), "");
  EXPECT_THROW(write_rejected_log(folder.path() / "no" / "rejected.jsonl", {}), UserError);
}

TEST(RejectedLog, ReasonsAreCountedInGroups) {
  EXPECT_EQ(reason_group("not JSON: unexpected end at byte 17"), "not JSON");
  EXPECT_EQ(reason_group("not UTF-8 (byte 3 of the line)"), "not UTF-8");
  EXPECT_EQ(reason_group("messages[12]: unknown role \"x 1\" (known: a)"),
            "messages[N]: unknown role \"...\" (known: a)");
  EXPECT_EQ(reason_group("longer than max_length 64000"), "longer than max_length 64000");
  EXPECT_EQ(describe_reasons({{"a", 1}, {"b", 5}, {"c", 1}}), "5 x b; 1 x a; 1 x c");
  std::map<std::string, std::int64_t> many;
  for (char c = 'a'; c < 'a' + 10; ++c) many[std::string(1, c)] = 1;
  EXPECT_NE(describe_reasons(many).find("and 2 other reasons"), std::string::npos);
}

}  // namespace
}  // namespace longhaul
