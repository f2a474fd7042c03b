#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/sha256.h"
#include "data/text/normalizer_nfc.h"
#include "data/text/unicode_class.h"
#include "data/text/utf8.h"
#include "data/text_test_support.h"
#include "test_data.h"

namespace longhaul {
namespace {

std::string utf8(std::initializer_list<char32_t> code_points) {
  std::string out;
  for (const char32_t c : code_points) append_utf8(out, c);
  return out;
}

std::string nfc(std::string_view text) {
  std::string storage = "left over from another call";
  return std::string(normalize_nfc(text, storage));
}

/// The fields of the lines of a table in tests/data/unicode.
std::vector<std::vector<std::string>> table(const std::string& name) {
  std::ifstream file(testing::test_data() / "unicode" / name);
  EXPECT_TRUE(file.good()) << name;
  std::vector<std::vector<std::string>> rows;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> fields;
    std::istringstream parts(line);
    std::string field;
    while (std::getline(parts, field, '\t')) fields.push_back(field);
    rows.push_back(fields);
  }
  return rows;
}

char32_t hex(const std::string& text) {
  return static_cast<char32_t>(std::stoul(text, nullptr, 16));
}

TEST(Unicode, ClassesAreThoseOfTheTable) {
  std::vector<std::uint8_t> expected(0x110000, 0);
  for (const auto& row : table("onig_classes.tsv")) {
    const std::uint8_t bit = row[0] == "L" ? kLetter : row[0] == "N" ? kNumber : kSpace;
    for (char32_t c = hex(row[1]); c <= hex(row[2]); ++c) expected[c] |= bit;
  }
  const CharacterClasses& classes = character_classes();
  std::size_t wrong = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if ((classes.of(c) & (kLetter | kNumber | kSpace)) != expected[c]) ++wrong;
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(Unicode, EncodesAndDecodesEveryCodePoint) {
  for (char32_t c = 0; c < 0x110000; c += (c < 0x900 ? 1 : 7)) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = utf8({c});
    const CodePoint decoded = decode_utf8(text, 0);
    ASSERT_EQ(decoded.value, c);
    ASSERT_EQ(decoded.length, text.size());
    ASSERT_EQ(find_invalid_utf8(text), std::string_view::npos);
  }
}

TEST(Unicode, InvalidBytesAreFoundAndReplacedPartByPart) {
  EXPECT_EQ(find_invalid_utf8("plain ascii, longer than eight \xC3"), 31U);
  EXPECT_EQ(find_invalid_utf8("\xC0\xAF"), 0U);          // overlong
  EXPECT_EQ(find_invalid_utf8("a\xED\xA0\x80"), 1U);     // a surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0U);  // above U+10FFFF
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(utf8_lossy("ok"), "ok");
  EXPECT_EQ(utf8_lossy("a\xE2\x82z"), "a" + r + "z");  // one cut sequence, one mark
  EXPECT_EQ(utf8_lossy("\xF0\x9F\x98"), r);            // cut at the end
  EXPECT_EQ(utf8_lossy("\xED\xA0\x80"), r + r + r);    // a surrogate: each byte
  EXPECT_EQ(utf8_lossy("\xC0\x80\x80"), r + r + r);    // never valid beginnings
  EXPECT_EQ(utf8_lossy("\xF4\x90\xC3\xA9"), r + r + "\xC3\xA9");
  // the decoder stays inside the text and always moves on
  for (const std::string bad : {"\xE2", "\xE2\x82", "\xF0\x9F\x98", "\xFF", "\x80"}) {
    EXPECT_EQ(decode_utf8(bad, 0).value, 0xFFFDU);
    EXPECT_EQ(decode_utf8(bad, 0).length, 1U);
  }
}

TEST(Nfc, PlainTextIsReturnedUntouched) {
  std::string storage;
  const std::string text = "caf\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD";
  EXPECT_EQ(normalize_nfc(text, storage).data(), text.data());
  EXPECT_EQ(nfc(""), "");
}

TEST(Nfc, ComposesReordersAndDecomposes) {
  EXPECT_EQ(nfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(nfc(utf8({'x', 'e', 0x301, 'y'})), utf8({'x', 0xE9, 'y'}));
  EXPECT_EQ(nfc(utf8({0xE9, 0x323})), utf8({0x1EB9, 0x301}));  // taken apart and reordered
  EXPECT_EQ(nfc(utf8({'a', 0x315, 0x300, 0x5AE, 0x323, 'b'})),
            utf8({0x1EA1, 0x5AE, 0x300, 0x315, 'b'}));
  EXPECT_EQ(nfc(utf8({0x212B, 0x2126})), utf8({0xC5, 0x3A9}));  // singletons
  EXPECT_EQ(nfc(utf8({0x958})), utf8({0x915, 0x93C}));          // composition exclusion
  EXPECT_EQ(nfc(utf8({0x344})), utf8({0x308, 0x301}));
  EXPECT_EQ(nfc(utf8({0x301, 'a'})), utf8({0x301, 'a'}));          // begins with a mark
  EXPECT_EQ(nfc(utf8({0x1100, 0x1161, 0x11A8})), utf8({0xAC01}));  // Hangul
  EXPECT_EQ(nfc(utf8({0xAC00, 0x11A8, 0x11A8})), utf8({0xAC01, 0x11A8}));
  EXPECT_EQ(nfc(utf8({0x11131, 0x11127})), utf8({0x1112E}));  // beyond the BMP
}

TEST(Nfc, KnowsUnicode9AndNoMore) {
  // U+11938 = U+11935 U+11930 was added with Unicode 13: no longer composed here.
  EXPECT_EQ(nfc(utf8({0x11935, 0x11930})), utf8({0x11935, 0x11930}));
  EXPECT_EQ(nfc(utf8({0x11938})), utf8({0x11938}));
}

TEST(Nfc, EveryDecompositionOfTheTableComposesAgain) {
  std::size_t excluded = 0;
  for (const auto& row : table("nfc_tables.tsv")) {
    if (row[0] != "dec") continue;
    std::string decomposed;
    std::istringstream parts(row[2]);
    std::string part;
    while (parts >> part) append_utf8(decomposed, hex(part));
    const std::string composed = utf8({hex(row[1])});
    EXPECT_EQ(nfc(decomposed), nfc(composed)) << row[1];
    EXPECT_EQ(nfc(nfc(composed)), nfc(composed)) << row[1];
    if (nfc(composed) != composed) ++excluded;
  }
  EXPECT_EQ(excluded, 1120U);  // singletons and exclusions
}

TEST(Sha256, StandardVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace longhaul
