#include "data/text/visible_text.h"

#include <gtest/gtest.h>

#include "data/text/text_difference.h"

namespace longhaul {
namespace {

std::string lines(std::string_view text) {
  std::string out;
  append_visible(out, text, Visible::lines);
  return out;
}

TEST(VisibleText, NothingReachesTheTerminalThatItObeys) {
  std::string every_control;
  for (char c = 1; c < 0x20; ++c) every_control += c;
  every_control += '\x7f';
  every_control += '\0';
  const std::string shown = lines(every_control);
  EXPECT_EQ(shown,
            "\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\u0008\t\n\\u000b\\u000c\\r\\u000e"
            "\\u000f\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a"
            "\\u001b\\u001c\\u001d\\u001e\\u001f\\u007f\\u0000");
  EXPECT_EQ(visible("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(lines("\xC2\x9B"
                  "31m"),
            "\\u009b31m");  // the 8-bit form of ESC [
  EXPECT_EQ(lines("\xE2\x80\xAE"
                  "x\xEF\xBB\xBF"),
            "\\u202ex\\ufeff");                        // turns the direction; a BOM
  EXPECT_EQ(lines("\xF3\xA0\x81\x81"), "\\u{e0041}");  // an invisible tag character
  EXPECT_EQ(lines("\xFF"
                  "a\xE4\xB8"),
            "\\xffa\\xe4\\xb8");
}

TEST(VisibleText, OtherTextStays) {
  const std::string text = "Grüße, 世界! 👩‍💻 \\n \xEF\xBF\xBD";
  EXPECT_EQ(lines(text), text);
  EXPECT_EQ(lines("a\xC2\xA0"
                  "b\xE3\x80\x80"),
            "a\xC2\xA0"
            "b\xE3\x80\x80");
  EXPECT_EQ(visible("a\xC2\xA0"
                    "b\xE3\x80\x80"),
            "a\\u00a0b\\u3000");
}

TEST(VisibleText, Characters) {
  EXPECT_EQ(count_characters("aü世👩"), 4);
  EXPECT_EQ(character_offset("aü世👩", 0), 0U);
  EXPECT_EQ(character_offset("aü世👩", 2), 3U);
  EXPECT_EQ(character_offset("aü世👩", 9), 10U);
}

TEST(TextDifference, EqualTextsHaveNone) {
  EXPECT_FALSE(find_difference("", "", 10));
  EXPECT_FALSE(find_difference("ü\n", "ü\n", 10));
}

TEST(TextDifference, PlaceAndContext) {
  const auto difference = find_difference("one\nübung x y z", "one\nübung\ty y z", 4);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->byte, 11);
  EXPECT_EQ(difference->line, 2);
  EXPECT_EQ(difference->column, 6);
  EXPECT_EQ(difference->before, "…bung");
  EXPECT_EQ(difference->ours, "␣x y…");
  EXPECT_EQ(difference->theirs, "\\ty y…");
}

TEST(TextDifference, BeginsWithAWholeCharacter) {
  const auto difference = find_difference("世", "丗", 4);  // E4 B8 96 and E4 B8 97
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->byte, 1);
  EXPECT_EQ(difference->column, 1);
  EXPECT_EQ(difference->before, "");
  EXPECT_EQ(difference->ours, "世");
  EXPECT_EQ(difference->theirs, "丗");
}

TEST(TextDifference, OneTextEnds) {
  const auto difference = find_difference("ab\n", "ab", 10);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->byte, 3);
  EXPECT_EQ(difference->ours, "\\n");
  EXPECT_EQ(difference->theirs, "(end of the text)");
  EXPECT_EQ(find_difference("", "x", 10)->ours, "(end of the text)");
}

}  // namespace
}  // namespace longhaul
