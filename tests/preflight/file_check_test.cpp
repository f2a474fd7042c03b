#include "preflight/file_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/error.h"
#include "metrics/temporary_directory.h"
#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

class Files : public testing::Test {
 protected:
  test::TemporaryDirectory folder_;
  [[nodiscard]] fs::path path(const char* name) const { return folder_.path() / name; }
};

TEST_F(Files, TheBeginningAndTheEndCount) {
  std::string text(1 << 20, 'x');
  write(path("a"), text);
  const FileFact first = look_at_file(path("a"));
  EXPECT_EQ(first.problem, "");
  EXPECT_EQ(first.bytes, 1 << 20);
  EXPECT_GT(first.modified, 1'600'000'000);
  text.back() = 'y';
  write(path("a"), text);
  EXPECT_NE(look_at_file(path("a")).digest, first.digest);
  text.back() = 'x';
  text.front() = 'y';
  write(path("a"), text);
  EXPECT_NE(look_at_file(path("a")).digest, first.digest);
  text.front() = 'x';
  write(path("a"), text);
  EXPECT_EQ(look_at_file(path("a")).digest, first.digest);
  write(path("empty"), "");
  EXPECT_EQ(look_at_file(path("empty")).problem, "");
}

TEST_F(Files, AProblemIsPartOfTheFact) {
  EXPECT_TRUE(contains(look_at_file(path("nowhere")).problem, "nowhere"));
  EXPECT_TRUE(contains(look_at_file(folder_.path()).problem, "not a regular file"));
  write(path("a"), "x");
  const auto refuse = [](const fs::path& file) { user_error("{} is odd", file.string()); };
  EXPECT_TRUE(contains(look_at_file(path("a"), refuse).problem, "is odd"));
}

TEST_F(Files, OfAModelThoseThatAreRead) {
  for (const char* const name : {"config.json", "model-00001.safetensors", "README.md",
                                 "tokenizer.json", "trainer_state.json", "optimizer.bin"}) {
    write(path(name), "x");
  }
  std::vector<std::string> names;
  for (const fs::path& file : model_files(folder_.path(), folder_.path())) {
    names.push_back(file.filename().string());
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"config.json", "model-00001.safetensors", "tokenizer.json"}));
  fs::create_directory(path("empty"));
  EXPECT_THROW(model_files(path("empty"), path("empty")), UserError);
  EXPECT_THROW(model_files(path("nowhere"), path("nowhere")), UserError);
}

FileFact good() { return {"rows", 10, 1000, "abc", ""}; }

TEST(JudgeFiles, ProblemsOfSomeNameAHostWithout) {
  FileFact bad = good();
  bad.problem = "rows: cannot be found; check the path";
  const Verdict verdict =
      judge_files(seen<FileFacts>({{bad}, {good()}, {bad}}), "data file", Times::compared);
  ASSERT_EQ(places(verdict), "failure 0 a, failure 2 c");
  EXPECT_EQ(verdict.findings[0].what, "rows: cannot be found");
  EXPECT_TRUE(contains(verdict.findings[0].remedy, "fine on b"));
  const Verdict nowhere =
      judge_files(seen<FileFacts>({{bad}, {bad}}), "data file", Times::compared);
  ASSERT_EQ(places(nowhere), "failure 0 a, failure 1 b");
  EXPECT_EQ(nowhere.findings[0].remedy, "check the path");
}

TEST(JudgeFiles, SizesAndContentsMustAgree) {
  FileFact longer = good();
  longer.bytes = 11;
  FileFact other = good();
  other.digest = "xyz";
  const Verdict verdict = judge_files(seen<FileFacts>({{good()}, {longer}, {good()}, {other}}),
                                      "data file", Times::compared);
  ASSERT_EQ(places(verdict), "failure 1 b, failure 3 d");
  EXPECT_TRUE(contains(verdict.findings[0].what, "11 bytes here, 10 on a"));
  EXPECT_TRUE(contains(verdict.findings[1].what, "differs in content"));
}

TEST(JudgeFiles, TimesAreAWarningWhereTheyCount) {
  FileFact later = good();
  later.modified += 100;
  FileFact rounded = good();
  rounded.modified += 1;
  const auto all = seen<FileFacts>({{good()}, {later}, {rounded}});
  EXPECT_EQ(places(judge_files(all, "data file", Times::compared)), "warning 1 b");
  EXPECT_EQ(places(judge_files(all, "model file", Times::ignored)), "");
}

TEST(JudgeFiles, AFileThatOnlySomeList) {
  const Verdict verdict = judge_files(
      seen<FileFacts>({{good(), {"more", 1, 1, "q", ""}}, {good()}}), "model file", Times::ignored);
  ASSERT_EQ(places(verdict), "failure 1 b");
  EXPECT_TRUE(contains(verdict.findings[0].what, "model file more: is not there"));
}

}  // namespace
}  // namespace longhaul::preflight
