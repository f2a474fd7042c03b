#include "data/json/python_literal.h"

#include <gtest/gtest.h>

#include "data/json/json_print.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

std::string as_json(std::string_view literal) { return to_json(parse_python_literal(literal)); }

TEST(PythonLiteral, BecomesWhatJsonDumpsPrints) {
  EXPECT_EQ(as_json("{'a': 1, \"b\": [True, False, None], 'c': (1, 'x',), 'd': {}}"),
            R"({"a": 1, "b": [true, false, null], "c": [1, "x"], "d": {}})");
  EXPECT_EQ(as_json(" [1.50, -2, +3, 1e5, .5, 5., 1_000, --4, 0, -0, -0.0] "),
            "[1.5, -2, 3, 100000.0, 0.5, 5.0, 1000, 4, 0, 0, -0.0]");
  EXPECT_EQ(as_json(R"('it\'s "é"\n\t\x41\u00e9\U0001F600\101\q')"),
            "\"it's \\\"é\\\"\\n\\tAé😀A\\\\q\"");
  EXPECT_EQ(as_json("'''a\n'b' '''"), "\"a\\n'b' \"");
  EXPECT_EQ(as_json("'a' \"b\"\n'c'"), "\"abc\"");
  EXPECT_EQ(as_json("{1: 'i', 2.5: 'f', True: 't', None: 'n', 'k': 1, 'k': 2}"),
            R"({"1": "i", "2.5": "f", "true": "t", "null": "n", "k": 2})");
  EXPECT_EQ(as_json("()"), "[]");
  EXPECT_EQ(as_json("12345678901234567890123"), "12345678901234567890123");
}

TEST(PythonLiteral, AnythingElseIsAnError) {
  for (const char* bad :
       {"",         "hello", "f(1)",   "{'a'}",        "{'a': }", "[1, 2", "[1 2]",
        "(1)",      "'abc",  "'a\nb'", "01",           "1.2.3",   "0x1f",  "1e999",
        "{[1]: 2}", "[1],",  "True1",  "'\\x4'",       "'\\u12'", "b'x'",  "1 + 2",
        "{,}",      "[,]",   "-",      "'\\UFFFFFFFF'"}) {
    EXPECT_NE(test::error_of<JsonError>([&] { parse_python_literal(bad); }), "") << bad;
  }
  EXPECT_EQ(as_json(std::string(308, '7')).size(), 308U);
  EXPECT_NE(test::error_of<JsonError>([&] { parse_python_literal(std::string(309, '7')); }), "");
  const std::string deep(257, '[');
  EXPECT_NE(test::error_of<JsonError>([&] { parse_python_literal(deep); }).find("deeper"),
            std::string::npos);
}

}  // namespace
}  // namespace longhaul
