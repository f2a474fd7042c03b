// Lines that are no good rows, or only just: bytes that are not UTF-8, odd characters, numbers,
// nesting and keys.
#include <gtest/gtest.h>

#include <sstream>

#include "data/json/json_print.h"
#include "data/rows/row_reader.h"
#include "data/text/utf8.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::error_of;

/// "id: reason" of a rejected line, "id = JSON of the first message's content" of a good one.
std::string outcome(std::string_view text) {
  const auto result = parse_line({text, 7, 0}, "rows.jsonl", RowForm::training);
  if (const auto* rejected = std::get_if<RejectedRow>(&result)) {
    return rejected->id + ": " + rejected->reason;
  }
  const Row& row = std::get<Row>(result);
  return row.id + " = " + to_json(row.messages.at(0).content);
}

/// A row whose question is `content`, the inside of a JSON string.
std::string row_of(std::string_view content) {
  return fmt::format(
      R"({{"id": "x", "messages": [{{"role": "user", "content": "{}"}}, {{"role": "assistant", "content": "a"}}]}})",
      content);
}
const std::size_t kContentAt = row_of("").find("\"\"}") + 1;

/// The lines of a file as "number:text", blank ones left out.
std::vector<std::string> lines_of(const std::string& bytes) {
  std::istringstream stream(bytes);
  LineReader reader(stream, "rows.jsonl");
  LineReader::Line line;
  std::vector<std::string> lines;
  while (reader.next(line)) lines.push_back(fmt::format("{}:{}", line.number, line.text));
  return lines;
}

TEST(HostileText, BytesThatAreNotUtf8AreNamedByPlace) {
  // the bad byte's place in the sequence, the sequence
  const std::vector<std::pair<std::size_t, std::string>> cases = {
      {0, "\x80"},  // a continuation without a beginning
      {0, "\xBF"},
      {0, "\xC0\x80"},  // NUL in two bytes
      {0, "\xC1\xBF"},
      {0, "\xE0\x80\x80"},  // overlong
      {0, "\xE0\x9F\xBF"},
      {0, "\xF0\x80\x80\x80"},
      {0, "\xF0\x8F\xBF\xBF"},
      {0, "\xED\xA0\x80"},  // surrogates
      {0, "\xED\xAD\xBF"},
      {0, "\xED\xBF\xBF"},
      {0, "\xED\xA0\xBD\xED\xB8\x80"},
      {0, "\xF4\x90\x80\x80"},  // beyond U+10FFFF
      {0, "\xF5\x80\x80\x80"},
      {0, "\xF8\x88\x80\x80\x80"},
      {0, "\xFE"},
      {0, "\xFF"},
      {0, "\xC3"},  // cut off
      {0, "\xE2\x82"},
      {0, "\xF0\x9F\x98"},
      {0, "\xC3("},
      {0, "\xE2\x82("},
      {0, "\xF0\x9F\x98("},
      {2, "\xC3\xA9\xA9"},  // one continuation too many
      {1, "a\xE9t\xE9"},    // Latin-1
      {4, "\xF0\x9F\x98\x80\x80"},
  };
  for (const auto& [bad, bytes] : cases) {
    EXPECT_EQ(outcome(row_of(bytes)),
              fmt::format(": not UTF-8 (byte {} of the line)", kContentAt + bad + 1));
    EXPECT_EQ(find_invalid_utf8(bytes), bad);
    // The same where the line ends in it, and before anything else.
    EXPECT_EQ(outcome(bytes).find(": not UTF-8 (byte "), 0U);
    EXPECT_EQ(find_invalid_utf8(utf8_lossy(bytes)), std::string_view::npos);
  }
}

TEST(HostileText, TheEdgesOfUtf8AreFine) {
  for (const std::string bytes :
       {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBD", "\xEF\xBF\xBE", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF",
        "\xEF\xBB\xBF", "\xE2\x80\xA8", "\xC2\x85"}) {
    EXPECT_EQ(outcome(row_of(bytes)), "x = \"" + bytes + "\"");
  }
}

TEST(HostileText, HalvesOfSurrogatePairs) {
  const std::string bad = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"(\ud83d)", bad},
      {R"(\uDE00)", bad},
      {R"(\ude00\ud83d)", bad + bad},
      {R"(\ud83d\ud83d)", bad + bad},
      {R"(\ud83dA)", bad + "A"},
      {R"(\ud83d\u0041)", bad + "A"},
      {R"(\ud83d\n)", bad + "\\n"},
      {R"(\ud83d\\ude00)", bad + "\\\\ude00"},
      {R"(\uDBFF\uDFFF)", "\xF4\x8F\xBF\xBF"},
      {R"(\ud800\udc00)", "\xF0\x90\x80\x80"},
      {R"(\ud7ff\ue000)", "\xED\x9F\xBF\xEE\x80\x80"},
  };
  for (const auto& [escaped, expected] : cases) {
    EXPECT_EQ(outcome(row_of(escaped)), "x = \"" + expected + "\"") << escaped;
  }
  for (const char* broken : {R"(\ud83)", R"(\ud83d\ude0)", R"(\u)", R"(\ud83d\u)", R"(\uZZZZ)"}) {
    EXPECT_EQ(outcome(row_of(broken)).find(": not JSON: "), 0U) << broken;
  }
}

TEST(HostileText, NulBytes) {
  EXPECT_EQ(outcome(row_of("a\\u0000b")), "x = \"a\\u0000b\"");
  const std::string good = row_of("a");
  using namespace std::string_literals;
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, kContentAt, good.size()}) {
    std::string text = good;
    text.insert(at, 1, '\0');
    EXPECT_EQ(outcome(text),
              fmt::format(": not JSON: a NUL byte that is not escaped, at byte {}", at + 1));
  }
  // A line after a row is not lost.
  EXPECT_EQ(outcome(good + "\0"s + good).find(": not JSON: a NUL byte"), 0U);
  EXPECT_EQ(lines_of("\0\0\n"s), std::vector<std::string>{"1:\0\0"s});
}

TEST(HostileText, ByteOrderMarks) {
  const std::string mark = "\xEF\xBB\xBF";
  using Lines = std::vector<std::string>;
  EXPECT_EQ(lines_of(mark + "a\n" + mark + "b\n"), (Lines{"1:a", "2:" + mark + "b"}));
  EXPECT_EQ(lines_of(mark), Lines{});
  EXPECT_EQ(lines_of(mark + "\r\n" + "a"), Lines{"2:a"});
  EXPECT_EQ(lines_of(mark + mark + "a"), Lines{"1:" + mark + "a"});
  // Files that were joined have one before a later line: it is as good there.
  EXPECT_EQ(outcome(mark + row_of("a")), "x = \"a\"");
  EXPECT_EQ(outcome(row_of("a" + mark)), "x = \"a" + mark + "\"");
  EXPECT_EQ(outcome(mark + mark + row_of("a")).find(": not JSON: "), 0U);
  EXPECT_EQ(outcome(" " + mark + row_of("a")).find(": not JSON: "), 0U);
  EXPECT_EQ(outcome(mark).find(": not JSON: "), 0U);
  // Other encodings' marks.
  EXPECT_EQ(outcome("\xFF\xFE{").find(": not UTF-8 (byte 1"), 0U);
  EXPECT_EQ(outcome("\xFE\xFF").find(": not UTF-8 (byte 1"), 0U);
}

TEST(HostileText, EndsOfLinesAndBlankLines) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(lines_of("a\r\nb\rc\n\rd\r\r\n"), (Lines{"1:a", "2:b\rc", "3:\rd\r"}));
  EXPECT_EQ(lines_of("\n\r\n \t \r\n\t\n  "), Lines{});
  EXPECT_EQ(lines_of(""), Lines{});
  // Only line feeds end lines, and nothing but spaces, tabs and carriage returns is blank.
  for (const std::string odd : {"\f", "\v", "\xC2\xA0", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xC2\x85",
                                "\xE3\x80\x80", "\xE2\x80\x8B", "\x1C"}) {
    EXPECT_EQ(lines_of(odd + "\n" + "a" + odd + "b"), (Lines{"1:" + odd, "2:a" + odd + "b"}));
    EXPECT_EQ(outcome(odd).find(": not JSON: "), 0U);
    EXPECT_EQ(outcome(odd + row_of("a")).find(": not JSON: "), 0U);
    // A row is not cut at what other programs take for the end of a line.
    if (odd.size() > 1) {
      EXPECT_EQ(outcome(row_of(odd)), "x = \"" + odd + "\"");
    }
  }
  EXPECT_EQ(outcome(" \t\r" + row_of("a") + "\r\t "), "x = \"a\"");
  EXPECT_EQ(outcome(row_of("a") + "\r" + row_of("b")).find(": not JSON: "), 0U);
  EXPECT_EQ(outcome(row_of("a") + row_of("b")).find(": not JSON: "), 0U);
  EXPECT_EQ(outcome(row_of("a") + ",").find(": not JSON: "), 0U);
  EXPECT_EQ(outcome(row_of("a\tb")).find(": not JSON: "), 0U);  // must be escaped
}

TEST(HostileText, Numbers) {
  const auto id_of = [](const std::string& number) {
    const std::string text = outcome(fmt::format(R"({{"id": {}, "messages": []}})", number));
    return text.substr(0, text.find(": no messages"));
  };
  const std::string digits308(308, '9');
  EXPECT_EQ(id_of(digits308), digits308);
  EXPECT_EQ(id_of("-" + digits308), "-" + digits308);
  EXPECT_EQ(id_of("-0"), "0");
  EXPECT_EQ(id_of("-0.0"), "-0.0");
  EXPECT_EQ(id_of("1E5"), "100000.0");
  EXPECT_EQ(id_of("1e-400"), "0.0");
  EXPECT_EQ(id_of("1.0000000000000000000000000000000000001"), "1.0");
  EXPECT_EQ(id_of("0." + std::string(100000, '0') + "1"), "0.0");
  EXPECT_EQ(id_of("0." + std::string(100000, '3')), "0.3333333333333333");
  for (const std::string& number :
       {std::string("1e400"), std::string("-1e400"), std::string("1e99999999999999999999"),
        std::string(310, '9'), std::string(100000, '9'), std::string(100000, '9') + ".5"}) {
    const std::string text = id_of(number);
    EXPECT_EQ(text.find(": not JSON: number overflow"), 0U) << text.substr(0, 300);
    EXPECT_LT(text.size(), 400U);
  }
  for (const char* number : {"01", "-", "+1", "1.", ".5", "1e", "0x10", "1_000", "NaN", "Infinity",
                             "-Infinity", "\xD9\xA1", "1e+"}) {
    EXPECT_EQ(id_of(number).find(": not JSON: "), 0U) << number;
  }
}

TEST(HostileText, Nesting) {
  const auto nested = [](std::size_t levels, char open, char close) {
    return std::string(levels, open) + std::string(levels, close);
  };
  // The row and "x" are levels, too.
  const auto with = [](const std::string& extra) {
    return fmt::format(
        R"({{"x": {}, "id": "n", "messages": [{{"role": "user", "content": "q"}}]}})", extra);
  };
  EXPECT_EQ(outcome(with(nested(255, '[', ']'))), "n = \"q\"");
  EXPECT_EQ(outcome(with(nested(256, '[', ']'))), ": not JSON: nested deeper than 256 levels");
  for (const std::size_t levels : {1000U, 1000000U}) {
    EXPECT_EQ(outcome(with(nested(levels, '[', ']'))), ": not JSON: nested deeper than 256 levels");
    EXPECT_EQ(outcome(std::string(levels, '[')).find(": not JSON: nested deeper"), 0U);
    std::string objects;
    for (std::size_t i = 0; i < levels; ++i) objects += "{\"a\":";
    EXPECT_EQ(outcome(objects), ": not JSON: nested deeper than 256 levels");
    // JSON inside strings is held to the same rule.
    EXPECT_NE(outcome(fmt::format(
                          R"({{"tools": "{}", "messages": [{{"role": "user", "content": "q"}}]}})",
                          nested(levels, '[', ']')))
                  .find("tools is a string that is not JSON: nested deeper than 256 levels"),
              std::string::npos);
  }
}

TEST(HostileText, KeysThatLookLikeOurs) {
  const std::string message = R"([{"role": "user", "content": "q"}])";
  EXPECT_EQ(outcome(R"({"Messages": )" + message + "}").find(": no messages"), 0U);
  EXPECT_EQ(outcome(R"({"messages ": )" + message + "}").find(": no messages"), 0U);
  EXPECT_EQ(outcome(R"({"messages\u0000": )" + message + "}").find(": no messages"), 0U);
  EXPECT_EQ(outcome(R"({"x": {"messages": )" + message + "}}").find(": no messages"), 0U);
  EXPECT_EQ(outcome(R"({"": 1, "id": "n", "\u006dessages": )" + message + "}"), "n = \"q\"");
  // Python's rule: of equal keys the last counts.
  EXPECT_EQ(outcome(R"({"id": "a", "messages": 3, "id": "b", "messages": )" + message + "}"),
            "b = \"q\"");
  EXPECT_EQ(
      outcome(
          R"({"id": "n", "messages": [{"role": "wizard", "role": "user", "content": 1, "content": "q"}]})"),
      "n = \"q\"");
  EXPECT_NE(outcome(R"({"id": "n", "messages": )" + message + R"(, "messages": null})")
                .find("n: no messages"),
            std::string::npos);
}

TEST(HostileText, ReasonsStayShortAndUtf8) {
  const std::string megabyte(1000000, 'r');
  std::string wide;
  for (int i = 0; i < 100000; ++i) wide += "\xE2\x82\xAC";
  for (const std::string& text : {
           R"({"id": ")" + megabyte,
           R"({"id": )" + wide,
           R"({"id": ")" + wide,
           R"({"messages": [{"role": ")" + megabyte + R"(", "content": "q"}]})",
           R"({"messages": [{"role": ")" + wide + R"(", "content": "q"}]})",
           R"({"tools": "[\")" + wide + R"(", "messages": [{"role": "user", "content": "q"}]})",
           std::string("{\"id\": \xC3\xA9}"),
       }) {
    const std::string reason = outcome(text);
    EXPECT_LT(reason.size(), 500U) << reason.substr(0, 500);
    EXPECT_EQ(find_invalid_utf8(reason), std::string_view::npos) << reason.substr(0, 500);
  }
  EXPECT_EQ(abridge("short"), "short");
  EXPECT_EQ(abridge("0123456789", 9), "012345 \xE2\x80\xA6 789");
  for (std::size_t most = 3; most < 40; ++most) {
    const std::string cut = abridge(std::string_view(wide).substr(0, 60), most);
    EXPECT_EQ(find_invalid_utf8(cut), std::string_view::npos);
    EXPECT_LE(cut.size(), most + 5);
  }
}

}  // namespace
}  // namespace longhaul
