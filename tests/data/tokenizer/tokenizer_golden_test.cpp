// The ids and texts of Hugging Face tokenizers 0.22.2 over all golden strings.
#include <gtest/gtest.h>

#include "data/text_test_support.h"
#include "data/tokenizer/bpe.h"
#include "data/tokenizer/pre_tokenizer.h"

namespace longhaul {
namespace {

using test::encoder;
using test::golden;
using test::ids_of;

struct Model {
  const char* name;  // of the model directory
  const char* key;   // in the golden files
};

class TokenizerGolden : public ::testing::TestWithParam<Model> {
 protected:
  [[nodiscard]] const Tokenizer& tokenizer() const { return encoder(GetParam().name).tokenizer(); }
  std::vector<std::int32_t> encode(std::string_view text) {
    std::vector<std::int32_t> ids;
    tokenizer().encode(text, scratch_, ids);
    return ids;
  }
  TokenizerScratch scratch_;
};

TEST_P(TokenizerGolden, ChosenStrings) {
  const auto rows = golden(fmt::format("tokenizer_golden_{}.jsonl", GetParam().key));
  ASSERT_EQ(rows.size(), 126U);
  for (const JsonValue& row : rows) {
    const auto ids = ids_of(row.get("ids"));
    EXPECT_EQ(encode(row.get("text").text()), ids) << row.get("name").text();
    const JsonValue& decoded = row.get(row.get("decoded").is_string() ? "decoded" : "text");
    EXPECT_EQ(tokenizer().decode(ids, SpecialTokens::keep), decoded.text());
    if (row.get("decoded_skip_special").is_string()) {
      EXPECT_EQ(tokenizer().decode(ids, SpecialTokens::skip),
                row.get("decoded_skip_special").text());
    }
  }
}

TEST_P(TokenizerGolden, RandomStrings) {
  const auto rows = golden("tokenizer_fuzz.jsonl");
  ASSERT_EQ(rows.size(), 2000U);
  for (const JsonValue& row : rows) {
    const JsonValue& ids = row.get(row.get("ids").is_array() ? "ids" : GetParam().key);
    EXPECT_EQ(encode(row.get("text").text()), ids_of(ids)) << row.get("text").text();
  }
}

TEST_P(TokenizerGolden, RandomIds) {
  const auto rows = golden("tokenizer_decode_golden.jsonl");
  ASSERT_EQ(rows.size(), 180U);
  for (const JsonValue& row : rows) {
    const auto ids = ids_of(row.get("ids"));
    const std::string key = GetParam().key;
    EXPECT_EQ(tokenizer().decode(ids, SpecialTokens::keep), row.get(key).text());
    EXPECT_EQ(tokenizer().decode(ids, SpecialTokens::skip), row.get(key + "_skip").text());
  }
}

TEST_P(TokenizerGolden, TheCacheChangesNothing) {
  // Every string again, with a cache that has seen all others, and with one that has seen nothing.
  for (const JsonValue& row : golden("tokenizer_fuzz.jsonl")) encode(row.get("text").text());
  TokenizerScratch cold;
  for (const JsonValue& row : golden(fmt::format("tokenizer_golden_{}.jsonl", GetParam().key))) {
    std::vector<std::int32_t> ids;
    tokenizer().encode(row.get("text").text(), cold, ids);
    EXPECT_EQ(encode(row.get("text").text()), ids);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TokenizerGolden,
                         ::testing::Values(Model{"qwen2.5", "qwen25"}, Model{"qwen3", "qwen3"}),
                         [](const auto& test) { return std::string(test.param.key); });

TEST(Tokenizer, AddedTokens) {
  const Tokenizer& tokenizer = encoder("qwen3").tokenizer();
  EXPECT_EQ(tokenizer.size(), 151669);
  const auto encoded = [](const Tokenizer& by, std::string_view text) {
    TokenizerScratch scratch;
    std::vector<std::int32_t> found;
    by.encode(text, scratch, found);
    return found;
  };
  EXPECT_EQ(encoded(tokenizer, "<|im_end|>"), std::vector<std::int32_t>{151645});
  EXPECT_EQ(encoded(tokenizer, "</think>"), std::vector<std::int32_t>{151668});
  EXPECT_GT(encoded(tokenizer, "<|nothing|>").size(), 1U);
  EXPECT_GT(encoded(encoder("qwen2.5").tokenizer(), "<think>").size(), 1U);
  const std::vector<std::int32_t> ids = {151644, -5, 151668, 151645, 2000000, 40};
  EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::keep), "<|im_start|></think><|im_end|>I");
  EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::skip), "</think>I");
}

TEST(Tokenizer, EveryByteStringSurvivesEncodingAndDecoding) {
  const Tokenizer& tokenizer = encoder("qwen3").tokenizer();
  TokenizerScratch scratch;
  for (const JsonValue& row : golden("chat_golden_qwen3.jsonl")) {
    if (!row.get("text").is_string() || row.get("id").text() == "unicode_content") continue;
    std::vector<std::int32_t> ids;
    tokenizer.encode(row.get("text").text(), scratch, ids);
    EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::keep), row.get("text").text());
  }
}

/// The plain definition: merge the best pair, leftmost first, until there is none.
std::vector<std::int32_t> merge_by_definition(const std::vector<Bpe::Merge>& merges,
                                              std::vector<std::int32_t> ids) {
  while (true) {
    std::size_t best_rank = merges.size();
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == ids[i] && merges[rank].right == ids[i + 1]) {
          best_rank = rank;
          best = i;
        }
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Bpe, LongAndShortWordsFollowTheDefinition) {
  // merges over the alphabet a..d that compete with each other
  std::array<std::int32_t, 256> bytes{};
  for (std::size_t i = 0; i < 256; ++i) bytes[i] = static_cast<std::int32_t>(i);
  const std::vector<Bpe::Merge> merges = {{'b', 'c', 256}, {'a', 'a', 257}, {256, 'd', 258},
                                          {'a', 256, 259}, {257, 257, 260}, {'d', 'a', 261},
                                          {260, 257, 262}, {259, 258, 263}, {'d', 'd', 264},
                                          {264, 'd', 265}, {261, 'a', 266}, {'c', 'c', 267}};
  const Bpe bpe(bytes, merges);
  BpeScratch scratch;
  std::uint32_t state = 1;
  for (int round = 0; round < 300; ++round) {
    std::string word;
    std::vector<std::int32_t> symbols;
    const std::size_t length = 1 + static_cast<std::size_t>(round) % 130;
    while (word.size() < length) {
      state = state * 1664525U + 1013904223U;
      word += static_cast<char>('a' + ((state >> 24) & 3U));
      symbols.push_back(word.back());
    }
    std::vector<std::int32_t> ids;
    bpe.encode(word, scratch, ids);
    ASSERT_EQ(ids, merge_by_definition(merges, symbols)) << word;
  }
}

TEST(Tokenizer, LongRunsTakeTimeInProportion) {
  const Tokenizer& tokenizer = encoder("qwen3").tokenizer();
  TokenizerScratch scratch;
  // A quadratic algorithm would need minutes for these.
  for (const char* unit : {"a", " ", "\n", "=", "ab", "\xE4\xBD\xA0"}) {
    std::string text;
    while (text.size() < 1000000) text += unit;
    std::vector<std::int32_t> ids;
    tokenizer.encode(text, scratch, ids);
    EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::keep), text);
  }
}

TEST(PreTokenizer, CutsAsTheExpressionSays) {
  const PreTokenizer cutter;
  const auto cut = [&](std::string_view text) {
    std::string words;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = cutter.word_end(text, at);
      EXPECT_GT(end, at);
      words += std::string(text.substr(at, end - at)) + "|";
      at = end;
    }
    return words;
  };
  EXPECT_EQ(cut("Hello  world"), "Hello| | world|");
  EXPECT_EQ(cut("it's I'LL o'\xC5\xBF 'x ''s"), "it|'s| I|'LL| o|'\xC5\xBF| '|x| ''|s|");
  EXPECT_EQ(cut("a 12b"), "a| |1|2|b|");
  EXPECT_EQ(cut("x = (y);\n\n  z"), "x| =| (|y|);\n\n| | z|");
  EXPECT_EQ(cut(" \n \t\n  end  "), " \n \t\n| | end|  |");
  EXPECT_EQ(cut("\tif\xC2\xA0so"), "\tif|\xC2\xA0so|");
  EXPECT_EQ(cut("\r\n!?\r\n"), "\r\n|!?\r\n|");
}

}  // namespace
}  // namespace longhaul
