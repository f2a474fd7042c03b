#include "core/fixed_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

namespace longhaul {
namespace {

std::string json(std::string_view text, std::size_t most = FixedText::kCapacity) {
  const auto fixed = std::make_unique<FixedText>();
  fixed->append_json(text, most);
  return std::string(fixed->view());
}

TEST(FixedText, WritesNumbers) {
  const auto text = std::make_unique<FixedText>();
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{7}, std::int64_t{-120},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    text->clear();
    text->append(number);
    EXPECT_EQ(text->view(), std::to_string(number));
  }
  text->clear();
  text->append_tenths(12.34);
  text->append(" ");
  text->append_tenths(0.0);
  text->append(" ");
  text->append_tenths(599.96);
  EXPECT_EQ(text->view(), "12.3 0.0 600.0");
}

TEST(FixedText, EscapesJson) {
  EXPECT_EQ(json("plain"), R"("plain")");
  EXPECT_EQ(json("a \"b\" \\ c\n\t\x01"), R"("a \"b\" \\ c\u000a\u0009\u0001")");
  EXPECT_EQ(json("Größe 漢字 😀"), "\"Größe 漢字 😀\"");
  EXPECT_EQ(json(""), "\"\"");
}

TEST(FixedText, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(json("a\xFF"
                 "b"),
            "\"a?b\"");
  EXPECT_EQ(json("\xC3"), "\"?\"");                 // cut off
  EXPECT_EQ(json("\xC0\xAF"), "\"??\"");            // overlong
  EXPECT_EQ(json("\xED\xA0\x80"), "\"???\"");       // a surrogate
  EXPECT_EQ(json("\xF4\x90\x80\x80"), "\"????\"");  // beyond Unicode
}

TEST(FixedText, CutsBetweenCharacters) {
  EXPECT_EQ(json("äöü", 4), "\"äö\"");
  EXPECT_EQ(json("äöü", 5), "\"äö\"");
  EXPECT_EQ(json("abc", 0), "\"\"");
}

TEST(FixedText, NeverGrowsBeyondItsSize) {
  const auto text = std::make_unique<FixedText>();
  const std::string long_text(FixedText::kCapacity - 2, 'x');
  text->append(long_text);
  text->append("12345");
  EXPECT_EQ(text->view(), long_text + "12");
  text->append_json("more");
  text->append(std::int64_t{5});
  EXPECT_EQ(text->view().size(), FixedText::kCapacity);
}

}  // namespace
}  // namespace longhaul
