#include "core/options/option_table.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>

namespace longhaul {
namespace {

/// A variable of each type that flags have.
struct Values {
  bool flag = false;
  int small = 1;
  std::int64_t large = 2;
  std::uint64_t natural = 3;
  double real = 0.5;
  std::string text = "auto";
  std::vector<std::string> list;
  std::optional<std::int64_t> maybe_number;
  std::optional<std::string> maybe_text;

  OptionTable table() {
    OptionTable table;
    OptionGroup group(table, "Values");
    group.add("flag", &flag, "a flag");
    group.add("small", &small, "N", "a small number");
    group.add("large", &large, "N", "a large number");
    group.add("natural", &natural, "N", "a natural number");
    group.add("real", &real, "X", "a number");
    group.add("text", &text, one_of({"auto", "none"}, "FILE"), "a text");
    group.add("list", &list, "FILE...", "files");
    group.add("maybe_number", &maybe_number, "N", "a number or none");
    group.add("maybe_text", &maybe_text, "ID", "a text or none");
    return table;
  }
};

nlohmann::json json_of(const OptionTable& table) { return nlohmann::json::parse(table.to_json()); }

/// What check() says; empty: nothing.
std::string refusal(const OptionTable& table) {
  try {
    table.check();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(OptionTable, WritesDefaults) {
  Values values;
  EXPECT_EQ(json_of(values.table()), nlohmann::json::parse(R"({
    "flag": false, "small": 1, "large": 2, "natural": 3, "real": 0.5, "text": "auto", "list": [],
    "maybe_number": null, "maybe_text": null})"));
}

TEST(OptionTable, ValuesOfEveryTypeComeBackFromJson) {
  Values values;
  const OptionTable table = values.table();
  values = {true,
            std::numeric_limits<int>::min(),
            std::numeric_limits<std::int64_t>::min(),
            std::numeric_limits<std::uint64_t>::max(),
            0.1,
            "\"quoted\"\n",
            {"a b", ""},
            std::numeric_limits<std::int64_t>::max(),
            "7"};
  const nlohmann::json json = json_of(table);
  EXPECT_EQ(json["flag"].get<bool>(), values.flag);
  EXPECT_EQ(json["small"].get<int>(), values.small);
  EXPECT_EQ(json["large"].get<std::int64_t>(), values.large);
  EXPECT_EQ(json["natural"].get<std::uint64_t>(), values.natural);
  EXPECT_EQ(json["real"].get<double>(), values.real);
  EXPECT_EQ(json["text"].get<std::string>(), values.text);
  EXPECT_EQ(json["list"].get<std::vector<std::string>>(), values.list);
  EXPECT_EQ(json["maybe_number"].get<std::int64_t>(), values.maybe_number);
  EXPECT_EQ(json["maybe_text"].get<std::string>(), values.maybe_text);
}

TEST(OptionTable, APathThatIsNotUtf8DoesNotSpoilTheJson) {
  Values values;
  values.text = "caf\xe9";
  EXPECT_EQ(json_of(values.table())["text"], "caf\xef\xbf\xbd");
}

TEST(OptionTable, DescribesItsRows) {
  Values values;
  const OptionTable table = values.table();
  const Option& real = table.options()[4];
  EXPECT_EQ(real.name, "real");
  EXPECT_EQ(real.heading, "Values");
  EXPECT_EQ(real.kind, "X");
  EXPECT_EQ(real.fallback, "0.5");
  const Option& text = table.options()[5];
  EXPECT_EQ(text.kind, "auto|none|FILE");
  EXPECT_EQ(text.choices, (std::vector<std::string>{"auto", "none"}));
  EXPECT_EQ(table.options()[0].choices, (std::vector<std::string>{"true", "false"}));
  EXPECT_TRUE(table.options()[6].list);
  EXPECT_EQ(table.options()[7].fallback, "");
}

TEST(OptionTable, RefusesTheSameNameTwice) {
  Values values;
  OptionTable table = values.table();
  OptionGroup group(table, "More");
  EXPECT_THROW(group.add("real", &values.real, "X", "again"), InternalError);
}

TEST(OptionCheck, Ranges) {
  std::int64_t number = 1;
  std::int64_t port = 80;
  double share = 0.0;
  double size = 1.5;
  OptionTable table;
  OptionGroup group(table, "Ranges");
  group.add("number", &number, "N", "").at_least(1);
  group.add("port", &port, "N", "").between(1, 65535);
  group.add("share", &share, "R", "").from_to_below(0.0, 1.0);
  group.add("size", &size, "X", "").above(1.0);
  EXPECT_EQ(refusal(table), "");
  number = 0;
  EXPECT_EQ(refusal(table), "--number 0: must be at least 1");
  number = 1;
  port = 65535;
  EXPECT_EQ(refusal(table), "");
  port = 65536;
  EXPECT_EQ(refusal(table), "--port 65536: must be between 1 and 65535");
  port = 1;
  for (const double bad : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    share = bad;
    EXPECT_EQ(refusal(table), fmt::format("--share {}: must be at least 0 and below 1", bad));
  }
  share = 0.5;
  size = 1.0;
  EXPECT_EQ(refusal(table), "--size 1: must be above 1");
}

enum class Colour { red, green };
constexpr std::array<Choice<Colour>, 2> kColours{{{Colour::red, "red"}, {Colour::green, "green"}}};

TEST(OptionCheck, Choices) {
  std::string colour = "auto";
  std::string left_out;
  std::string open = "auto";
  OptionTable table;
  OptionGroup group(table, "Choices");
  group.add("colour", &colour, one_of({"auto"}, kColours), "");
  group.add("left_out", &left_out, one_of(kColours), "");
  group.add("open", &open, one_of({"auto"}, "FILE"), "");
  EXPECT_EQ(table.options()[0].kind, "auto|red|green");
  EXPECT_EQ(refusal(table), "");
  colour = "green";
  open = "any file";
  EXPECT_EQ(refusal(table), "");
  left_out = "blue";
  EXPECT_EQ(refusal(table), "--left_out blue: choose red or green");
  colour = "";
  EXPECT_EQ(refusal(table), "--colour : choose auto, red or green");
}

TEST(OptionCheck, AnotherCheckTakesThePlaceOfTheChoices) {
  std::string colour = "red";
  OptionTable table;
  OptionGroup(table, "Choices")
      .add("colour", &colour, one_of(kColours), "")
      .parsed_by([](const std::string& text) {
        return parse_choice("colour", text == "rosso" ? "red" : text, kColours);
      });
  colour = "rosso";
  EXPECT_EQ(refusal(table), "");
  colour = "blue";
  EXPECT_EQ(refusal(table), "--colour blue: choose red or green");
}

TEST(OptionCheck, WhatMustBeGiven) {
  Values values;
  OptionTable table;
  OptionGroup group(table, "Needed");
  group.add("model", &values.text, "DIR", "where the model is").required();
  group.add("files", &values.list, "FILE...", "").needed("the files to read");
  EXPECT_TRUE(table.options()[0].required);
  EXPECT_FALSE(table.options()[1].required);
  EXPECT_EQ(refusal(table), "--files is missing: the files to read");
  values.list = {"a"};
  EXPECT_EQ(refusal(table), "");
  values.text.clear();
  EXPECT_EQ(refusal(table), "--model is missing: where the model is");
}

TEST(OptionCheck, AnOptionalIsCheckedWhereItHasAValue) {
  std::optional<std::int64_t> epochs;
  OptionTable table;
  OptionGroup(table, "Optional").add("epochs", &epochs, "N", "").at_least(1);
  EXPECT_EQ(refusal(table), "");
  epochs = 0;
  EXPECT_EQ(refusal(table), "--epochs 0: must be at least 1");
}

TEST(Choices, NamesAndValues) {
  EXPECT_EQ(name_in(kColours, Colour::green), "green");
  EXPECT_EQ(parse_choice("colour", "red", kColours), Colour::red);
  EXPECT_THROW(parse_choice("colour", "Red", kColours), UserError);
}

}  // namespace
}  // namespace longhaul
