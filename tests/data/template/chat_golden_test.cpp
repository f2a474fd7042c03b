// The texts of the published chat templates, and the ids of those texts.
#include <gtest/gtest.h>

#include "data/rows/row_parse.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::encoder;
using test::golden;
using test::ids_of;

/// The rendered text, or nothing when the template refuses the row.
std::optional<std::string> text_of(const ChatTemplate& chat, const JsonValue& row) {
  try {
    return chat.render(parse_row(row, RowForm::verbatim)).text;
  } catch (const RowError&) {
    return std::nullopt;
  }
}

std::optional<std::string> expected_text(const JsonValue& row, std::string_view text_key,
                                         std::string_view error_key) {
  if (row.get(text_key).is_string()) return row.get(text_key).text();
  EXPECT_TRUE(row.get(error_key).is_string()) << row.get("id").text();
  return std::nullopt;
}

void check_ids(const Tokenizer& tokenizer, const JsonValue& row) {
  if (!row.get("ids").is_array() || !row.get("text").is_string()) return;
  TokenizerScratch scratch;
  std::vector<std::int32_t> ids;
  tokenizer.encode(row.get("text").text(), scratch, ids);
  EXPECT_EQ(ids, ids_of(row.get("ids"))) << row.get("id").text();
}

TEST(ChatGolden, Qwen25) {
  const auto chat = make_chat_template({.family = TemplateFamily::qwen25});
  const auto rows = golden("chat_golden_qwen25.jsonl");
  ASSERT_EQ(rows.size(), 55U);
  for (const JsonValue& row : rows) {
    EXPECT_EQ(text_of(*chat, row), expected_text(row, "text", "error")) << row.get("id").text();
    check_ids(encoder("qwen2.5").tokenizer(), row);
  }
}

TEST(ChatGolden, Qwen3) {
  const auto chat = make_chat_template({.family = TemplateFamily::qwen3});
  const auto rows = golden("chat_golden_qwen3.jsonl");
  ASSERT_EQ(rows.size(), 55U);
  for (const JsonValue& row : rows) {
    EXPECT_EQ(text_of(*chat, row), expected_text(row, "text", "error")) << row.get("id").text();
    check_ids(encoder("qwen3").tokenizer(), row);
  }
}

TEST(ChatGolden, FirstQwen3Release) {
  const auto chat = make_chat_template({.family = TemplateFamily::qwen3_first});
  std::size_t different = 0;
  for (const JsonValue& row : golden("chat_golden_qwen3.jsonl")) {
    const bool fails = row.get("v1_error").is_string();
    const bool differs = row.get("v1_text").is_string();
    different += fails || differs ? 1 : 0;
    const auto expected = fails     ? std::nullopt
                          : differs ? std::optional(row.get("v1_text").text())
                                    : expected_text(row, "text", "error");
    EXPECT_EQ(text_of(*chat, row), expected) << row.get("id").text();
  }
  EXPECT_EQ(different, 6U);
}

}  // namespace
}  // namespace longhaul
