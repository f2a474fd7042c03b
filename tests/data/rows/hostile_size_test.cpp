// Lines of a hundred megabytes, and rows with very many of one thing: they take time and memory in
// proportion to their size, and no more.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>

#include "data/batch_test_support.h"
#include "data/json/json_parse.h"
#include "data/json/json_print.h"
#include "data/rows/row_blocks.h"
#include "data/rows/row_reader.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::TemporaryFolder;
using test::write_bytes;

// Sanitizers take ten times as long, and keep freed memory.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr std::size_t kLargeLine = kSanitized ? 10'000'000 : 100'000'000;
constexpr int kMany = kSanitized ? 100'000 : 1'000'000;

/// The most memory that this process has used so far, in bytes.
std::int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * std::int64_t{1024};
}

/// Of this process: what other programs do at the same time does not count.
double processor_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

std::variant<Row, RejectedRow> parse(std::string_view text) {
  return parse_line({text, 1, 0}, "rows.jsonl", RowForm::training);
}

std::string row_with(std::string_view key, std::string_view value) {
  return fmt::format(R"({{"{}": {}, "messages": [{{"role": "user", "content": "q"}}]}})", key,
                     value);
}

/// Fails when `work` on n things takes more than three times what it should beside n / 8.
template <typename Work>
void expect_linear(int n, const Work& work) {
  const double begin = processor_seconds();
  work(n / 8);
  const double middle = processor_seconds();
  work(n);
  const double large = processor_seconds() - middle;
  const double small = middle - begin;
  EXPECT_LT(large, 24 * small + 0.5) << "n/8: " << small << " s, n: " << large << " s";
}

TEST(HostileSize, ALineOfAHundredMegabytes) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "rows.jsonl";
  const std::string small = row_with("id", "\"small\"");
  {
    std::string content;
    content.reserve(kLargeLine + 100);
    while (content.size() < kLargeLine) content += "All work and no play. \\n\\u00e9 ";
    write_bytes(path, small + "\n" +
                          row_with("id", "\"large\"").insert(1, "\"x\": \"" + content + "\", ") +
                          "\n" + small + "\n");
  }
  const double begin = processor_seconds();
  const std::int64_t before = peak_memory();
  LineReader reader(path);
  LineReader::Line line;
  std::vector<std::string> ids;
  while (reader.next(line)) {
    const auto row = parse_line(line, "rows.jsonl", RowForm::training);
    ids.push_back(std::get<Row>(row).id);
  }
  EXPECT_EQ(ids, (std::vector<std::string>{"small", "large", "small"}));

  // Through blocks of the usual size, as a data set is read: every line in exactly one of them.
  const std::vector<DataFile> files = {find_data_file(path)};
  std::int64_t lines = 0;
  std::int64_t line_ends = 0;
  for (const RowBlock& block : make_blocks(files, std::int64_t{1} << 19)) {
    for_each_line(files[0], block, line_ends,
                  [&](const LineReader::Line& found) { EXPECT_EQ(found.number, ++lines); });
    line_ends += summarize_block(files[0], block).line_ends;
  }
  EXPECT_EQ(lines, 3);
  EXPECT_LT(processor_seconds() - begin, 20.0);
  if (!kSanitized) {
    EXPECT_LT(peak_memory() - before, 12 * static_cast<std::int64_t>(kLargeLine));
  }
}

TEST(HostileSize, VeryManyKeys) {
  expect_linear(kMany, [](int n) {
    std::string keys = "{";
    for (int i = 0; i < n; ++i) keys += fmt::format("\"key{}\":0,", i);
    keys += "\"key0\":1}";
    const auto row = parse(row_with("x", keys));
    ASSERT_TRUE(std::holds_alternative<Row>(row));
    EXPECT_EQ(parse_json(keys).object().size(), static_cast<std::size_t>(n));
  });
}

TEST(HostileSize, OneKeyVeryOften) {
  expect_linear(kMany, [](int n) {
    std::string keys = "{";
    for (int i = 0; i < n; ++i) keys += fmt::format("\"a\":{},", i);
    keys += "\"a\":\"last\"}";
    const JsonValue value = parse_json(keys);
    ASSERT_EQ(value.object().size(), 1U);
    EXPECT_EQ(value.get("a").text(), "last");
  });
}

TEST(HostileSize, VeryLongLists) {
  expect_linear(4 * kMany, [](int n) {
    std::string list = "[0";
    for (int i = 1; i < n; ++i) list += ",0";
    list += "]";
    const JsonValue value = parse_json(list);
    EXPECT_EQ(value.array().size(), static_cast<std::size_t>(n));
  });
}

TEST(HostileSize, VeryManyMessagesToolsAndCalls) {
  expect_linear(kMany / 4, [](int n) {
    std::string messages;
    std::string tools;
    std::string calls;
    for (int i = 0; i < n; ++i) {
      messages += R"({"role": "tool_call", "content": {"name": "f"}},)";
      tools += R"("{\"name\": \"f\"}",)";
      calls += R"({"name": "f", "arguments": "{}"},)";
    }
    tools.pop_back();
    calls.pop_back();
    const auto row = parse(fmt::format(
        R"({{"tools": [{}], "messages": [{}{{"role": "assistant", "tool_calls": [{}]}}]}})", tools,
        messages, calls));
    ASSERT_TRUE(std::holds_alternative<Row>(row)) << std::get<RejectedRow>(row).reason;
    EXPECT_EQ(std::get<Row>(row).tools.array().size(), static_cast<std::size_t>(n));
    EXPECT_EQ(std::get<Row>(row).messages.size(), 2U);
  });
}

TEST(HostileSize, VeryManyEscapes) {
  expect_linear(kMany, [](int n) {
    std::string text = "\"";
    for (int i = 0; i < n; ++i) text += "\\ud83d";
    text += '"';
    EXPECT_EQ(parse_json(text).text().size(), 3 * static_cast<std::size_t>(n));
  });
}

TEST(HostileSize, TextsThatAreHardToTokenize) {
  const RowEncoder& encoder = test::encoder("qwen3");
  TokenizerScratch scratch;
  // Each repeated without end: one word without a boundary, marks to be sorted, half added tokens,
  // spaces that a pattern could go back over.
  for (const std::string part : {"a", "\xCC\x81", "\xCC\x81\xCC\xA3", "<|", "<|im_end|", " ", "\n ",
                                 "'", "'l", "0", "\xE2\x82\xAC", "\xED\x95\x9C", "\xE1\x84\x80",
                                 "ab\xCC\x81", "\xEF\xBF\xBD", "!", "! \n", "\xC2\xA0"}) {
    expect_linear(kMany / 2, [&](int n) {
      std::string text;
      while (text.size() < static_cast<std::size_t>(n)) text += part;
      std::vector<std::int32_t> ids;
      encoder.tokenizer().encode(text, scratch, ids);
      EXPECT_FALSE(ids.empty());
    });
  }
}

}  // namespace
}  // namespace longhaul
