#include "data/check/data_check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/in_parallel.h"
#include "data/batch_test_support.h"
#include "data/check/row_findings.h"
#include "data/json/json_parse.h"

namespace longhaul {
namespace {

using test::row_line;
using test::TemporaryDirectory;
using test::write_bytes;

DataCheck check(const std::vector<std::filesystem::path>& paths, CheckOptions options = {}) {
  std::vector<DataFile> files;
  for (const auto& path : paths) files.push_back(find_data_file(path));
  return check_data(files, options);
}

/// Everything about a check, to compare two.
std::string summary(const DataCheck& check) { return check_json(check); }

TEST(DataCheck, CountsWhatIsThere) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  write_bytes(path,
              "\xEF\xBB\xBF" + row_line("a", "q", "a") + "\r\n\n" +
                  R"({"id": 12345678901234567890123, "tools": ["{\"name\": \"f\"}"], "messages": [)"
                  R"({"role": "system", "content": "s"}, {"from": "human", "value": "q"},)"
                  R"({"role": "assistant", "reasoning_content": "r", "loss": 2,)"
                  R"("tool_calls": [{"name": "f"}]}, {"role": "tool", "content": "t"}]})"
                  "\n" +
                  R"({"messages": [{"role": "user", "content": "q"}]})" + "\n{\n" +
                  R"({"id": "bad", "messages": [{"role": "judge", "content": "q"}]})");
  const DataCheck result = check({path});
  ASSERT_EQ(result.files.size(), 1U);
  EXPECT_EQ(result.files[0].lines, 6);
  EXPECT_EQ(result.files[0].rows(), 5);
  EXPECT_EQ(result.accepted_rows(), 3);
  EXPECT_EQ(result.rejected_rows(), 2);
  EXPECT_EQ(result.messages, (std::map<std::string, std::int64_t>{
                                 {"assistant", 2}, {"system", 1}, {"tool", 1}, {"user", 3}}));
  EXPECT_EQ(result.with_tools, 1);
  EXPECT_EQ(result.with_tool_calls, 1);
  EXPECT_EQ(result.with_reasoning, 1);
  EXPECT_EQ(result.with_loss, 1);
  EXPECT_EQ(result.without_id, 1);
  EXPECT_EQ(result.without_assistant, 1);
  EXPECT_EQ(result.duplicated_ids, 0);
  ASSERT_EQ(result.rejected.size(), 2U);
  EXPECT_EQ(result.rejected[0].name.substr(0, 25), "messages[N]: unknown role");
  EXPECT_EQ(result.rejected[0].examples[0].place.line, 6);
  EXPECT_EQ(result.rejected[0].examples[0].id, "bad");
  EXPECT_EQ(result.rejected[1].name, "not JSON");
  EXPECT_EQ(result.rejected[1].examples[0].place.line, 5);
  EXPECT_EQ(result.rejected[1].examples[0].id, "");
}

TEST(DataCheck, DuplicateIdsAcrossFiles) {
  const TemporaryDirectory folder;
  const auto first = folder.path() / "first.jsonl";
  const auto second = folder.path() / "second.jsonl";
  write_bytes(first, row_line("a", "q", "a") + "\n" + row_line("b", "q", "a") + "\n" +
                         row_line("a", "other", "a") + "\n");
  // The rejected row counts; rows without an id and an id that looks like a line's name do not.
  write_bytes(second, row_line("b", "q", "a") + "\n{\"id\": \"a\"}\n" +
                          "{\"messages\": [{\"role\": \"assistant\", \"content\": \"x\"}]}\n" +
                          row_line("second.jsonl:9", "q", "a") + "\n");
  const DataCheck result = check({first, second});
  EXPECT_EQ(result.duplicated_ids, 2);
  EXPECT_EQ(result.duplicate_rows, 3);
  EXPECT_EQ(result.without_id, 1);
  ASSERT_EQ(result.duplicates.size(), 3U);
  EXPECT_EQ(result.duplicates[0].id, "a");
  EXPECT_EQ(result.duplicates[0].first.line, 1);
  EXPECT_EQ(result.duplicates[0].again.line, 3);
  EXPECT_EQ(result.duplicates[1].id, "b");
  EXPECT_EQ(result.duplicates[1].first.file, 0);
  EXPECT_EQ(result.duplicates[1].first.line, 2);
  EXPECT_EQ(result.duplicates[1].again.file, 1);
  EXPECT_EQ(result.duplicates[2].again.line, 2);
}

TEST(DataCheck, BlocksAndThreadsChangeNothing) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  const auto tail = folder.path() / "tail.jsonl";
  std::string text = "\n";
  for (int i = 0; i < 200; ++i) {
    text += i % 7 == 0 ? "{\"id\": \"broken\"}" : row_line(fmt::format("r{}", i % 150), "q", "a");
    text += i % 5 == 0 ? "\r\n\n" : "\n";
  }
  write_bytes(path, text);
  write_bytes(tail, row_line("t", "q", std::string(3000, 'x')));
  const DataCheck expected = check({path, tail});
  EXPECT_EQ(expected.files[0].lines, std::count(text.begin(), text.end(), '\n'));
  EXPECT_EQ(expected.files[0].rejected, 29);
  EXPECT_EQ(expected.files[1].lines, 1);
  for (const std::int64_t block : {1, 17, 100, 1000}) {
    for (const int threads : {1, 3}) {
      if (block == 1 && threads == 3) continue;
      CheckOptions options;
      options.block_bytes = block;
      options.threads = threads;
      std::vector<std::int64_t> rejected;
      std::int64_t bytes = 0;
      options.on_rejected = [&](const UnkeptRow& row) { rejected.push_back(row.line); };
      options.on_progress = [&](std::int64_t done) { bytes += done; };
      EXPECT_EQ(summary(check({path, tail}, options)), summary(expected))
          << block << " " << threads;
      EXPECT_EQ(rejected.size(), 29U);
      EXPECT_TRUE(std::is_sorted(rejected.begin(), rejected.end()));
      EXPECT_EQ(bytes, expected.files[0].file.bytes + expected.files[1].file.bytes);
    }
  }
}

TEST(DataCheck, AStreamGivesWhatItsFileGives) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  std::string text = "\xEF\xBB\xBF\n";
  for (int i = 0; i < 100; ++i) {
    text +=
        i % 9 == 0 ? "{\"id\": \"broken\"}\r\n\n" : row_line(fmt::format("r{}", i % 70), "q", "a");
    text += "\n";
  }
  write_bytes(path, text + "{\"no\": \"end\"}");
  DataCheck expected = check({path});
  for (const std::int64_t block : {1, 100, 1 << 20}) {
    for (const int threads : {1, 3}) {
      CheckOptions options;
      options.block_bytes = block;
      options.threads = threads;
      std::vector<std::int64_t> rejected;
      options.on_rejected = [&](const UnkeptRow& row) { rejected.push_back(row.line); };
      LineReader lines(path);
      DataCheck result = check_stream(lines, options);
      EXPECT_EQ(rejected.size(), 13U);
      EXPECT_TRUE(std::is_sorted(rejected.begin(), rejected.end()));
      result.files[0].file = expected.files[0].file;  // a stream's size is not known
      EXPECT_EQ(summary(result), summary(expected)) << block << " " << threads;
    }
  }
}

TEST(DataCheck, ExamplesAreLimitedPerReason) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "rows.jsonl";
  write_bytes(path, "{\n[\n3\n{\n{\"id\": \"a\"}\n{\"id\": \"a\"}\n{\"id\": \"a\"}\n");
  CheckOptions options;
  options.examples = 1;
  const DataCheck result = check({path}, options);
  ASSERT_EQ(result.rejected.size(), 3U);
  EXPECT_EQ(result.rejected[0].rows + result.rejected[1].rows + result.rejected[2].rows, 7);
  for (const auto& group : result.rejected) EXPECT_EQ(group.examples.size(), 1U) << group.name;
  EXPECT_EQ(result.duplicate_rows, 2);
  EXPECT_EQ(result.duplicates.size(), 1U);
  options.examples = 0;
  EXPECT_TRUE(check({path}, options).rejected[0].examples.empty());
}

TEST(DataCheck, JsonHoldsTheSame) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "ro\"ws.jsonl";
  write_bytes(path, row_line("a", "q", "x<|im_end|>") + "\n{\"id\": \"\\u001b\"}\n");
  const JsonValue json = parse_json(check_json(check({path})));
  EXPECT_EQ(json.get("rows").text(), "2");
  EXPECT_EQ(json.get("files").array()[0].get("file").text(), path.string());
  const JsonValue& rejection = json.get("rejections").array()[0].get("examples").array()[0];
  EXPECT_EQ(rejection.get("id").text(), "\x1b");
  EXPECT_EQ(rejection.get("line").text(), "2");
  const JsonValue& odd = json.get("suspicious").array()[0];
  EXPECT_EQ(odd.get("group").text(), "assistant text contains \"<|im_end|>\"");
  EXPECT_EQ(odd.get("examples").array()[0].get("where").text(), "messages[1] (assistant)");
}

TEST(InParallel, EachIsDoneOnceAndTheLowestFailureWins) {
  std::vector<int> done(100, 0);
  in_parallel(100, 4, [&](int, std::int64_t i) { ++done[static_cast<std::size_t>(i)]; });
  EXPECT_EQ(done, std::vector<int>(100, 1));
  try {
    in_parallel(100, 4, [](int, std::int64_t i) {
      if (i >= 2) throw std::runtime_error(std::to_string(i));
    });
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "2");
  }
}

/// The kinds of findings in a row given by its messages and tools.
std::vector<std::string> kinds(const std::string& messages, const std::string& tools = "[]") {
  Row row =
      parse_row(parse_json(fmt::format(R"({{"messages": {}, "tools": {}}})", messages, tools)),
                RowForm::training);
  std::vector<std::string> kinds;
  for (const RowFinding& finding : find_suspicious(row)) kinds.push_back(finding.kind);
  return kinds;
}

using Kinds = std::vector<std::string>;
const std::string kUser = R"({"role": "user", "content": "q"})";
const std::string kAnswer = R"({"role": "assistant", "content": "a"})";

TEST(RowFindings, NothingInGoodRows) {
  EXPECT_EQ(kinds(fmt::format("[{}, {}]", kUser, kAnswer)), Kinds{});
  EXPECT_EQ(kinds(R"([{"role": "assistant", "tool_calls": [{"name": "f"}, {"name": "g"}]},
                      {"role": "tool", "content": "1"}, {"role": "tool", "content": ""}])",
                  R"([{"name": "f"}, {"type": "function", "function": {"name": "g"}}])"),
            Kinds{});
  EXPECT_EQ(kinds(R"([{"role": "assistant", "content": "<tool_call>\n{}\n</tool_call>"},
                      {"role": "tool", "content": "1"}])"),
            Kinds{});
  EXPECT_EQ(kinds(R"([{"role": "assistant", "content": "", "reasoning_content": "r"}])"), Kinds{});
}

TEST(RowFindings, EachKind) {
  const auto one = [](const std::string& message) {
    return kinds(fmt::format("[{}, {}, {}]", kUser, message, kAnswer));
  };
  EXPECT_EQ(one(R"({"role": "assistant", "content": "x<|im_end|>"})"),
            Kinds{"assistant text contains \"<|im_end|>\""});
  EXPECT_EQ(one(R"({"role": "user", "content": "<|im_start|>system"})"),
            Kinds{"user text contains \"<|im_start|>\""});
  EXPECT_EQ(one(R"({"role": "assistant", "content": "", "reasoning_content": "<|endoftext|>"})"),
            Kinds{"assistant text contains \"<|endoftext|>\""});
  EXPECT_EQ(one(R"({"role": "user", "content": "\ud83d"})"),
            Kinds{"text contains U+FFFD, what broken characters become"});
  EXPECT_EQ(one(R"({"role": "assistant", "content": " \n"})"),
            Kinds{"an assistant message is empty"});
  EXPECT_EQ(
      one(R"({"role": "assistant", "content": "<think>a</think>b", "reasoning_content": "r"})"),
      Kinds{"an assistant message has reasoning_content and </think> in its content"});
  EXPECT_EQ(one(R"({"role": "assistant", "tool_calls": [{"name": "f"}]})"),
            Kinds{"a tool is called, but the row has no tools"});
  EXPECT_EQ(one(R"({"role": "tool", "content": "1"})"), Kinds{"a tool result follows no call"});
  EXPECT_EQ(kinds(fmt::format("[{}, {}]", kAnswer, kUser)),
            Kinds{"the conversation ends with a user message"});
  EXPECT_EQ(kinds(R"([{"role": "system", "content": "s"}])"),
            Kinds{"there is no assistant message"});
  EXPECT_EQ(kinds(R"([{"role": "assistant", "content": "a", "loss": false}])"),
            Kinds{"every assistant message has loss 0"});
  const std::string call =
      R"([{"role": "assistant", "tool_calls": [{"name": "f", "arguments": [1]}]}])";
  EXPECT_EQ(kinds(call, R"([{"name": "g"}])"),
            (Kinds{"a tool is called that is not among the row's tools",
                   "the arguments of a call are not an object"}));
  EXPECT_EQ(kinds(fmt::format("[{}]", kAnswer),
                  R"([{"name": "g"}, {"function": {"name": "g"}}, {"function": {}}])"),
            (Kinds{"two tools have one name", "a tool has no name"}));
}

TEST(RowFindings, AKindIsToldOnceWithItsFirstPlace) {
  const Row row = parse_row(parse_json(R"({"messages": [{"role": "assistant", "content": ""},
                                          {"role": "assistant", "content": ""}]})"),
                            RowForm::training);
  const auto findings = find_suspicious(row);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].detail, "messages[0] (assistant)");
}

}  // namespace
}  // namespace longhaul
