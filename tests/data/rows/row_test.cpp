// Accepted row forms, rejected rows and their reasons, and reading files of rows.
#include <gtest/gtest.h>

#include <sstream>

#include "core/error.h"
#include "data/json/json_print.h"
#include "data/rows/row_parse.h"
#include "data/rows/row_reader.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::error_of;
using test::fresh_folder;
using test::write_file;

Row training(std::string_view text) { return parse_row(parse_json(text), RowForm::training); }

/// "role:content[+reasoning][!calls][@loss]" of all messages.
std::string summary(const Row& row) {
  std::string out;
  for (const Message& message : row.messages) {
    if (!out.empty()) out += " | ";
    out += fmt::format("{}:{}", message.role, message.content.text());
    if (message.reasoning_content.is_string()) {
      out += fmt::format("+{}", message.reasoning_content.text());
    }
    if (message.tool_calls.is_array()) out += fmt::format("!{}", to_json(message.tool_calls));
    if (message.loss) out += fmt::format("@{}", *message.loss);
  }
  return out;
}

std::string messages(std::string_view list) {
  return summary(training(fmt::format("{{\"messages\": {}}}", list)));
}

TEST(Row, OpenAiForm) {
  const Row row =
      training(R"({"id": "a1", "tools": [{"type": "function", "function": {"name": "f"}}],
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q", "name": "x"},
    {"role": "assistant", "content": null, "reasoning_content": "r", "tool_calls": [{"id": "1",
      "type": "function", "function": {"name": "f", "arguments": {"b": 1.0, "a": []}}}]},
    {"role": "tool", "tool_call_id": "1", "content": "t"}, {"role": "assistant", "content": ""}]})");
  EXPECT_EQ(row.id, "a1");
  EXPECT_EQ(to_json(row.tools), R"([{"type": "function", "function": {"name": "f"}}])");
  EXPECT_EQ(summary(row),
            "system:s | user:q | assistant:+r![{\"name\": \"f\", \"arguments\": {\"b\": 1.0, "
            "\"a\": []}}] | tool:t | assistant:");
}

TEST(Row, ShareGptForm) {
  const Row row = training(R"({"id": 17, "system": "s", "conversations": [
    {"from": "human", "value": "q"},
    {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"},
    {"from": "observation", "value": "o"}, {"from": "gpt", "value": "a"}]})");
  EXPECT_EQ(row.id, "17");
  EXPECT_EQ(summary(row),
            "system:s | user:q | assistant:![{\"name\": \"f\", \"arguments\": {\"x\": 1}}] | "
            "tool:o | assistant:a");
}

TEST(Row, CallMessagesJoinTheTurnBeforeThem) {
  EXPECT_EQ(messages(R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "hm"},
      {"role": "tool_call", "content": "{\"name\": \"f\", \"parameters\": {}}"},
      {"role": "tool_call", "content": {"name": "g", "arguments": "{\"y\":2}"}},
      {"role": "tool_response", "content": "1"}, {"role": "tool", "content": "2"},
      {"role": "function-call", "content": "[{\"name\": \"h\"}]"}])"),
            "user:q | assistant:hm![{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", "
            "\"arguments\": {\"y\": 2}}] | tool:1 | tool:2 | assistant:![{\"name\": \"h\", "
            "\"arguments\": {}}]");
}

TEST(Row, EveryRoleAlias) {
  for (const char* role : {"user", "human"}) {
    EXPECT_EQ(messages(fmt::format(R"([{{"role": "{}", "content": "x"}}])", role)), "user:x");
  }
  for (const char* role : {"assistant", "gpt", "bot"}) {
    EXPECT_EQ(messages(fmt::format(R"([{{"from": "{}", "value": "x"}}])", role)), "assistant:x");
  }
  for (const char* role :
       {"tool", "tool_response", "function", "function_response", "observation", "observations"}) {
    EXPECT_EQ(messages(fmt::format(R"([{{"role": "{}", "content": "x"}}])", role)), "tool:x");
  }
}

TEST(Row, SystemPromptOfTheRow) {
  const char* form = R"({{"system_prompt": {}, "messages": [{{"role": "{}", "content": "m"}}]}})";
  EXPECT_EQ(summary(training(fmt::format(fmt::runtime(form), "\"s\"", "user"))),
            "system:s | user:m");
  EXPECT_EQ(summary(training(fmt::format(fmt::runtime(form), "\"s\"", "system"))), "system:m");
  EXPECT_EQ(summary(training(fmt::format(fmt::runtime(form), "\"\"", "user"))), "user:m");
  EXPECT_EQ(summary(training(fmt::format(fmt::runtime(form), "null", "user"))), "user:m");
}

TEST(Row, ToolsInEveryForm) {
  const auto tools = [](std::string_view given) {
    return to_json(
        training(fmt::format(R"({{"tools": {}, "messages": [{{"role": "user", "content": "q"}}]}})",
                             given))
            .tools);
  };
  const std::string wrapped = R"([{"type": "function", "function": {"name": "f", "x": 1.0}}])";
  EXPECT_EQ(tools(wrapped), wrapped);
  EXPECT_EQ(tools(R"([{"name": "f", "x": 1.0}])"), wrapped);
  EXPECT_EQ(tools(R"({"name": "f", "x": 1.0})"), wrapped);
  EXPECT_EQ(tools(R"("[{\"name\": \"f\", \"x\": 1.0}]")"), wrapped);
  EXPECT_EQ(tools(R"(["{\"name\": \"f\", \"x\": 1.0}"])"), wrapped);
  for (const char* none : {"null", "[]", "\"\"", "\" \"", "\"[]\"", "\"null\""}) {
    EXPECT_EQ(tools(none), "[]") << none;
  }
}

TEST(Row, ArgumentsInEveryForm) {
  const auto arguments = [](std::string_view given) {
    const Row row = training(fmt::format(
        R"({{"messages": [{{"role": "assistant", "tool_calls": [{{"name": "f"{}}}]}}]}})", given));
    return to_json(row.messages[0].tool_calls.array()[0].get("arguments"));
  };
  EXPECT_EQ(arguments(R"(, "arguments": {"b": 1, "a": 1e5})"), R"({"b": 1, "a": 100000.0})");
  EXPECT_EQ(arguments(R"(, "arguments": "{\"b\":1,\"a\":1e5}")"), R"({"b": 1, "a": 100000.0})");
  EXPECT_EQ(arguments(R"(, "arguments": [1])"), "[1]");
  for (const char* none : {"", R"(, "arguments": null)", R"(, "arguments": "")"}) {
    EXPECT_EQ(arguments(none), "{}") << none;
  }
}

TEST(Row, ContentPartsWithOneText) {
  EXPECT_EQ(messages(R"([{"role": "user", "content": [{"type": "text", "text": "q"}]}])"),
            "user:q");
}

TEST(Row, LossOfAMessage) {
  EXPECT_EQ(
      messages(R"([{"role": "user", "content": "q", "loss": false},
      {"role": "assistant", "content": "a", "loss": true}, {"role": "assistant", "content": "b", "loss": false},
      {"role": "assistant", "content": "c", "loss": 0.25}, {"role": "assistant", "content": "d", "loss": null},
      {"role": "assistant", "content": "e", "weight": 0}])"),
      "user:q | assistant:a@1 | assistant:b@0 | assistant:c@0.25 | assistant:d | assistant:e@0");
}

TEST(Row, StringsMayHoldPythonLiterals) {
  const Row row = training(R"({"tools": "[{'name': 'f'}]", "messages": [{"role": "assistant",
    "tool_calls": [{"name": "f", "arguments": "{'x': None, 'y': (1, 2)}"}]},
    {"role": "tool_call", "content": "{'name': 'g', 'arguments': {}}"}]})");
  EXPECT_EQ(to_json(row.tools), R"([{"type": "function", "function": {"name": "f"}}])");
  EXPECT_EQ(
      to_json(row.messages[0].tool_calls),
      R"([{"name": "f", "arguments": {"x": null, "y": [1, 2]}}, {"name": "g", "arguments": {}}])");
}

TEST(Row, ToolsThatSayTheirTypeAreNotWrapped) {
  const Row row = training(R"({"tools": [{"type": "function", "name": "f"}, {"name": "g"}],
    "messages": [{"role": "user", "content": "u"}]})");
  EXPECT_EQ(
      to_json(row.tools),
      R"([{"type": "function", "name": "f"}, {"type": "function", "function": {"name": "g"}}])");
}

TEST(Row, ReasonsOfRejection) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"[1]", "the line is a list, not an object"},
      {"\"x\"", "the line is a string, not an object"},
      {"{}", "no messages"},
      {R"({"messages": null})", "no messages"},
      {R"({"messages": []})", "no messages: the list is empty"},
      {R"({"messages": "hi"})", "messages is a string"},
      {R"({"messages": [], "conversations": []})", "has both \"messages\" and \"conversations\""},
      {R"({"messages": ["hi"]})", "messages[0] is a string"},
      {R"({"messages": [{"content": "hi"}]})", "messages[0] has no role"},
      {R"({"messages": [{"role": 3, "content": "hi"}]})", "messages[0] has no role"},
      {R"({"messages": [{"role": "moderator", "content": "hi"}]})", "unknown role \"moderator\""},
      {R"({"messages": [{"role": "user", "content": "a"}, {"role": "User", "content": "hi"}]})",
       "messages[1]: unknown role \"User\""},
      {R"({"messages": [{"role": "user"}]})", "messages[0] (user): content is missing"},
      {R"({"messages": [{"role": "tool", "content": {"a": 1}}]})", "content is an object"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})", "content is a list"},
      {R"({"messages": [{"role": "user", "content": "a", "value": "b"}]})",
       "has both \"content\" and \"value\""},
      {R"({"messages": [{"role": "assistant", "content": null}]})", "neither content nor"},
      {R"({"messages": [{"role": "assistant", "content": "", "reasoning_content": 1}]})",
       "reasoning_content is a number"},
      {R"({"messages": [{"role": "assistant", "tool_calls": "call f"}]})",
       "tool_calls is a string"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]})",
       "tool_calls[0] has no function name"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]}]})",
       "tool_calls[0].arguments is a string that is not JSON"},
      {R"({"messages": [{"role": "user", "content": "a", "tool_calls": [{"name": "f"}]}]})",
       "only assistant messages can have tool_calls"},
      {R"({"messages": [{"role": "tool_call", "content": "call f"}]})",
       "content is a string that is not JSON"},
      {R"({"messages": [{"role": "tool_call"}]})", "content is missing"},
      {R"({"messages": [{"role": "user", "content": "a", "loss": true}]})",
       "only assistant messages can carry loss"},
      {R"({"messages": [{"role": "assistant", "content": "a", "loss": "yes"}]})", "loss must be"},
      {R"({"messages": [{"role": "assistant", "content": "a", "loss": -1}]})", "loss must be"},
      {R"({"tools": 3, "messages": [{"role": "user", "content": "a"}]})", "tools is a number"},
      {R"({"tools": [3], "messages": [{"role": "user", "content": "a"}]})", "tools[0] is a number"},
      {R"({"tools": "[", "messages": [{"role": "user", "content": "a"}]})",
       "tools is a string that is not JSON"},
      {R"({"system": 1, "messages": [{"role": "user", "content": "a"}]})", "system is a number"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string reason = error_of<RowError>([&] { training(text); });
    EXPECT_NE(reason.find(expected), std::string::npos) << text << "\n  " << reason;
  }
}

TEST(Row, VerbatimRowsKeepWhatTheyHave) {
  const Row row =
      parse_row(parse_json(R"({"id": 5, "tools": [{"name": "f"}], "add_generation_prompt": true,
        "enable_thinking": false, "messages": [{"role": "odd", "content": [1]}, 7,
        {"role": "assistant", "content": null, "tool_calls": [{"name": "f", "arguments": "{}"}]}]})"),
                RowForm::verbatim);
  EXPECT_EQ(to_json(row.tools), R"([{"name": "f"}])");
  ASSERT_EQ(row.messages.size(), 3U);
  EXPECT_EQ(row.messages[0].role, "odd");
  EXPECT_TRUE(row.messages[0].content.is_array());
  EXPECT_TRUE(row.messages[1].content.is_undefined());
  EXPECT_TRUE(row.messages[2].content.is_null());
  EXPECT_TRUE(row.messages[2].tool_calls.array()[0].get("arguments").is_string());
  EXPECT_TRUE(row.add_generation_prompt);
  EXPECT_EQ(row.enable_thinking, false);
}

TEST(LineReader, LinesWithNumbersAndOffsets) {
  std::istringstream stream("\xEF\xBB\xBF{1}\r\n\n  \r\n{2}\nlast");
  LineReader reader(stream, "s");
  LineReader::Line line;
  std::string seen;
  while (reader.next(line)) {
    seen += fmt::format("{}@{}:{} ", line.number, line.offset, line.text);
  }
  EXPECT_EQ(seen, "1@3:{1} 4@13:{2} 5@17:last ");
}

TEST(RowReader, ABadLineDoesNotEndTheFile) {
  const auto folder = fresh_folder("row_reader");
  const std::string row = R"("messages": [{"role": "user", "content": "q"}]})";
  write_file(folder / "data.jsonl",
             fmt::format("{{\"id\": \"one\", {0}\n{{\"id\": 1\n\n{{\"id\": \"bad\xFF\"}}\n"
                         "{{\"id\": \"two\", \"messages\": []}}\r\n{{{0}\n[\n",
                         row));
  RowReader reader(folder / "data.jsonl");
  std::variant<Row, RejectedRow> result;
  std::vector<std::string> seen;
  while (reader.next(result)) {
    if (const Row* good = std::get_if<Row>(&result)) {
      seen.push_back(fmt::format("{} row {}", good->line, good->id));
      EXPECT_EQ(good->file, (folder / "data.jsonl").string());
    } else {
      const auto& bad = std::get<RejectedRow>(result);
      seen.push_back(fmt::format("{} rejected {}: {}", bad.line, bad.id, bad.reason));
      EXPECT_EQ(bad.file, (folder / "data.jsonl").string());
    }
    EXPECT_EQ(reader.line().number, std::stoi(seen.back()));
  }
  ASSERT_EQ(seen.size(), 6U);
  EXPECT_EQ(seen[0], "1 row one");
  EXPECT_NE(seen[1].find("2 rejected : not JSON: "), std::string::npos) << seen[1];
  EXPECT_EQ(seen[2], "4 rejected : not UTF-8 (byte 12 of the line)");
  EXPECT_EQ(seen[3], "5 rejected two: no messages: the list is empty");
  EXPECT_EQ(seen[4], "6 row data.jsonl:6");
  EXPECT_NE(seen[5].find("each line must be one row"), std::string::npos) << seen[5];
}

TEST(RowReader, FilesThatCannotBeRead) {
  const auto folder = fresh_folder("row_missing");
  EXPECT_NE(
      error_of<UserError>([&] { RowReader reader(folder / "none.jsonl"); }).find("none.jsonl"),
      std::string::npos);
  EXPECT_NE(error_of<UserError>([&] { RowReader reader(folder); }).find("is a directory"),
            std::string::npos);
}

}  // namespace
}  // namespace longhaul
