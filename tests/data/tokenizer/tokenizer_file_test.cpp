// What a tokenizer.json must be, and what is said about one that is not.
#include <gtest/gtest.h>

#include "core/error.h"
#include "data/json/json_print.h"
#include "data/text/utf8.h"
#include "data/text_test_support.h"
#include "data/tokenizer/byte_level.h"

namespace longhaul {
namespace {

using test::error_of;
using test::fresh_folder;
using test::write_file;

/// A complete small tokenizer: the 256 bytes, "ab", "abc" and one added token.
std::string small_tokenizer() {
  const ByteLevelAlphabet alphabet;
  std::string vocab;
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string character;
    append_utf8(character, alphabet.character_of(static_cast<unsigned char>(byte)));
    append_json_string(vocab, character);
    vocab += fmt::format(":{},", byte);
  }
  return R"({"version":"1.0","truncation":null,"padding":null,
"added_tokens":[{"id":258,"content":"<|x|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
"normalizer":{"type":"NFC"},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)" +
         to_json(JsonValue::make_string(std::string(PreTokenizer::kPattern))) +
         R"(},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},
"post_processor":{"type":"ByteLevel","add_prefix_space":false},
"decoder":{"type":"ByteLevel"},
"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
"vocab":{)" +
         vocab + R"("ab":256,"abc":257},"merges":["a b","ab c"]}})";
}

class TokenizerFile : public ::testing::Test {
 protected:
  TokenizerFile() : folder_(fresh_folder("tokenizer_file")) {}

  Tokenizer load(const std::string& text) const {
    write_file(folder_ / "tokenizer.json", text);
    return Tokenizer::load(folder_);
  }
  /// The message for a tokenizer with `from` replaced by `to`.
  [[nodiscard]] std::string refusal(const std::string& from, const std::string& to) const {
    std::string text = small_tokenizer();
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    const std::string message = error_of<UserError>([&] { load(text); });
    EXPECT_NE(message.find((folder_ / "tokenizer.json").string()), std::string::npos) << message;
    return message;
  }

  std::filesystem::path folder_;
};

std::vector<std::int32_t> encode(const Tokenizer& tokenizer, std::string_view text) {
  TokenizerScratch scratch;
  std::vector<std::int32_t> ids;
  tokenizer.encode(text, scratch, ids);
  return ids;
}

TEST_F(TokenizerFile, BothSpellingsOfMerges) {
  const std::vector<std::int32_t> expected = {257, 258, 256, 'c' + 1};
  EXPECT_EQ(encode(load(small_tokenizer()), "abc<|x|>abd"), expected);
  std::string pairs = small_tokenizer();
  pairs.replace(pairs.find(R"(["a b","ab c"])"), 14, R"([["a","b"],["ab","c"]])");
  EXPECT_EQ(encode(load(pairs), "abc<|x|>abd"), expected);
}

TEST_F(TokenizerFile, LongestAddedTokenWins) {
  std::string text = small_tokenizer();
  const std::string more =
      R"({"id":259,"content":"<|x|>>","special":false},{"id":260,"content":"|x","special":false},)";
  text.insert(text.find(R"({"id":258)"), more);
  EXPECT_EQ(encode(load(text), "<|x|>><|x|>|x<|x"),
            (std::vector<std::int32_t>{259, 258, 260, '<', 260}));
}

TEST_F(TokenizerFile, OtherKindsAreRefusedByName) {
  const auto expect_named = [&](const std::string& from, const std::string& to,
                                const std::string& named) {
    const std::string message = refusal(from, to);
    EXPECT_NE(message.find(named), std::string::npos) << message;
  };
  expect_named(R"("type":"BPE")", R"("type":"Unigram")", "model.type is \"Unigram\"");
  expect_named(R"("normalizer":{"type":"NFC"})", R"("normalizer":null)", "normalizer.type");
  expect_named(R"("normalizer":{"type":"NFC"})", R"("normalizer":{"type":"NFKC"})", "NFKC");
  expect_named(R"(\\p{N}| ?)", R"(\\p{N}{1,3}| ?)", "pattern of the Split");
  expect_named(R"("behavior":"Isolated")", R"("behavior":"Removed")", "behavior");
  expect_named(R"("invert":false)", R"("invert":true)", "invert");
  expect_named(R"("add_prefix_space":false)", R"("add_prefix_space":true)", "add_prefix_space");
  expect_named(R"("use_regex":false)", R"("use_regex":true)", "use_regex");
  expect_named(R"("decoder":{"type":"ByteLevel"})", R"("decoder":null)", "decoder.type");
  expect_named(R"("post_processor":{"type":"ByteLevel")",
               R"("post_processor":{"type":"TemplateProcessing")", "post_processor.type");
  expect_named(R"("dropout":null)", R"("dropout":0.1)", "model.dropout is 0.1");
  expect_named(R"("unk_token":null)", R"("unk_token":"<unk>")", "model.unk_token");
  expect_named(R"("byte_fallback":false)", R"("byte_fallback":true)", "model.byte_fallback");
  expect_named(R"("ignore_merges":false)", R"("ignore_merges":true)", "model.ignore_merges");
  expect_named(R"("normalized":false)", R"("normalized":true)",
               "normalized of added token \"<|x|>\"");
  expect_named(R"("lstrip":false)", R"("lstrip":true)", "lstrip of added token");
  expect_named(R"("content":"<|x|>")", R"("content":"")", "added_tokens[0]");
  expect_named(R"("id":258)", R"("id":256)", "two tokens have the number 256");
  expect_named(R"("id":258)", R"("id":-1)", "number of added token");
  expect_named(R"("id":258)", R"("id":99999999)", "number of added token");
}

TEST_F(TokenizerFile, BadTablesAreRefused) {
  EXPECT_NE(refusal(R"("z":122,)", "").find("byte 0x7A"), std::string::npos);
  EXPECT_NE(refusal(R"("ab":256,)", R"("ab":255,)").find("number 255"), std::string::npos);
  EXPECT_NE(refusal(R"("ab":256,)", R"("ab":256,"ab":300,)").find("twice"), std::string::npos);
  EXPECT_NE(refusal(R"("ab":256,)", R"("ab":5000000000,)").find("number of token \"ab\""),
            std::string::npos);
  EXPECT_NE(refusal(R"("ab":256,)", R"("ab":"256",)").find("model.vocab"), std::string::npos);
  EXPECT_NE(refusal(R"("ab c")", R"("ab d")").find("\"abd\""), std::string::npos);
  EXPECT_NE(refusal(R"("ab c")", R"("a b")").find("twice"), std::string::npos);
  EXPECT_NE(refusal(R"("ab c")", R"("abc")").find("model.merges"), std::string::npos);
  EXPECT_NE(refusal(R"("ab c")", R"(["ab","c","d"])").find("model.merges"), std::string::npos);
  EXPECT_NE(refusal(R"("ab c")", "7").find("model.merges"), std::string::npos);
}

TEST_F(TokenizerFile, FilesThatAreNoTokenizer) {
  EXPECT_NE(error_of<UserError>([&] { Tokenizer::load(folder_); }).find("tokenizer.json"),
            std::string::npos);
  const std::string whole = small_tokenizer();
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string("{\"model\":3}"),
        std::string("\x00\x01", 2), whole.substr(0, whole.size() / 2),
        whole.substr(0, whole.size() - 1)}) {
    EXPECT_NE(error_of<UserError>([&] { load(text); }).find("tokenizer.json: "), std::string::npos);
  }
}

}  // namespace
}  // namespace longhaul
