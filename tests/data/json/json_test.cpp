#include <gtest/gtest.h>

#include "data/json/json_parse.h"
#include "data/json/json_print.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::error_of;

std::string round_trip(std::string_view text) { return to_json(parse_json(text)); }

TEST(Json, PrintsNumbersAsPythonDoes) {
  // left: json text, right: json.dumps(json.loads(text))
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"0", "0"},
      {"-0", "0"},
      {"-7", "-7"},
      {"18446744073709551615", "18446744073709551615"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"-9223372036854775809", "-9223372036854775809"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"1.0", "1.0"},
      {"-0.0", "-0.0"},
      {"1e5", "100000.0"},
      {"1E+15", "1000000000000000.0"},
      {"9999999999999998.0", "9999999999999998.0"},
      {"1e16", "1e+16"},
      {"1.5e16", "1.5e+16"},
      {"0.0001", "0.0001"},
      {"0.00001", "1e-05"},
      {"0.00000015", "1.5e-07"},
      {"0.1", "0.1"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"123.456", "123.456"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"5e-324", "5e-324"},
      {"1e-400", "0.0"},
      {"100.0", "100.0"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(round_trip(text), expected) << text;
}

TEST(Json, EscapesOnlyWhatPythonEscapesWithoutAscii) {
  EXPECT_EQ(round_trip(R"("\u0000\u0001\b\f\n\r\t\u001f\"\\\/")"),
            R"("\u0000\u0001\b\f\n\r\t\u001f\"\\/")");
  EXPECT_EQ(round_trip(R"("\u007f\u0085\u2028\u00e9\ud83d\ude00<>&'")"),
            "\"\x7F\xC2\x85\xE2\x80\xA8\xC3\xA9\xF0\x9F\x98\x80<>&'\"");
}

TEST(Json, KeepsKeyOrderAndTheLastOfDuplicates) {
  EXPECT_EQ(round_trip(R"({"b":1,"a":{"2":0,"1":0},"b":3,"c":[],"d":{}})"),
            R"({"b": 3, "a": {"2": 0, "1": 0}, "c": [], "d": {}})");
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += fmt::format("\"k{}\":{},", i, i);
  many += R"("k7":"last","k99":null})";
  const JsonValue value = parse_json(many);
  EXPECT_EQ(value.object().size(), 100U);
  EXPECT_EQ(value.object()[7].key, "k7");
  EXPECT_EQ(value.get("k7").text(), "last");
  EXPECT_TRUE(value.get("k99").is_null());
  EXPECT_TRUE(value.get("k100").is_undefined());
}

TEST(Json, LiteralsAndWhiteSpace) {
  EXPECT_EQ(round_trip("\xEF\xBB\xBF [ true,\r\n false ,\tnull ] \r"), "[true, false, null]");
}

TEST(Json, LoneSurrogatesBecomeReplacementCharacters) {
  EXPECT_EQ(parse_json(R"("a\ud83d")").text(), "a\xEF\xBF\xBD");
  EXPECT_EQ(parse_json(R"("\ude00b")").text(),
            "\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(parse_json(R"("\ud83d\ud83d\ude00")").text(), "\xEF\xBF\xBD\xF0\x9F\x98\x80");
  EXPECT_EQ(parse_json(R"("\ud83dx\uD83D\uDE00")").text(), "\xEF\xBF\xBDx\xF0\x9F\x98\x80");
  // an escaped backslash before "ud83d" is no surrogate
  EXPECT_EQ(parse_json(R"("\\ud83d")").text(), "\\ud83d");
  EXPECT_EQ(parse_json(R"("\\\ud83d")").text(), "\\\xEF\xBF\xBD");
}

TEST(Json, ErrorsNameTheByte) {
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "nul", "01", "1.", "\"a", "\"\n\"",
                           "[1] 2", "NaN", "'a'", "{1:2}", "\"\\x41\""}) {
    const std::string message = error_of<JsonError>([&] { parse_json(text); });
    EXPECT_NE(message.find("at byte "), std::string::npos) << text << ": " << message;
  }
  EXPECT_NE(error_of<JsonError>([] { parse_json("[1e999]"); }).find("1e999"), std::string::npos);
  EXPECT_EQ(error_of<JsonError>([] { parse_json("\"ab\xFF\""); }), "not UTF-8, at byte 4");
  EXPECT_EQ(error_of<JsonError>([] { parse_json("\"\xED\xA0\x80\""); }), "not UTF-8, at byte 2");
}

TEST(Json, DeepNestingIsAnErrorNotACrash) {
  const std::string fine = std::string(256, '[') + std::string(256, ']');
  EXPECT_EQ(round_trip(fine), fine);
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  EXPECT_NE(error_of<JsonError>([&] { parse_json(deep); }).find("256"), std::string::npos);
  std::string objects;
  for (int i = 0; i < 300; ++i) objects += "{\"a\":";
  EXPECT_NE(error_of<JsonError>([&] { parse_json(objects); }).find("256"), std::string::npos);
}

TEST(Json, PythonTruthAndNotation) {
  for (const char* text : {"null", "false", "0", "-0", "0.0", "-0.0", "\"\"", "[]", "{}"}) {
    EXPECT_FALSE(parse_json(text).truthy()) << text;
  }
  for (const char* text : {"true", "1", "0.1", "\" \"", "[0]", "{\"\": 0}"}) {
    EXPECT_TRUE(parse_json(text).truthy()) << text;
  }
  EXPECT_FALSE(JsonValue().truthy());
  std::string out;
  EXPECT_TRUE(append_python_str(
      out, parse_json(R"({"a":[null,true,false,1.0,"it's","\"'","é\n\u0001\\"],"b":{}})")));
  EXPECT_EQ(out,
            "{'a': [None, True, False, 1.0, \"it's\", '\"\\'', '\xC3\xA9\\n\\x01\\\\'], 'b': {}}");
  // whether U+1F600 is printable depends on the interpreter, so that is not decided here
  EXPECT_FALSE(append_python_str(out, parse_json(R"(["\ud83d\ude00"])")));
}

}  // namespace
}  // namespace longhaul
