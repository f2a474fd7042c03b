// Pieces, weights and ids of whole rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "core/error.h"
#include "data/rows/row_parse.h"
#include "data/template/encoding_settings.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::encoder;
using test::error_of;
using test::golden;
using test::unpacked;

Row training(std::string_view text) { return parse_row(parse_json(text), RowForm::training); }

/// The text with [[..]] around what carries loss.
std::string marked(const RenderedRow& rendered) {
  std::string out;
  bool open = false;
  for (const Piece& piece : rendered.pieces) {
    if ((piece.weight > 0.0F) != open) out += open ? "]]" : "[[";
    open = piece.weight > 0.0F;
    out += rendered.text.substr(piece.begin, piece.end - piece.begin);
  }
  return out;
}

constexpr const char* kConversation = R"({"messages": [{"role": "user", "content": "q1"},
  {"role": "assistant", "content": "a1"}, {"role": "user", "content": "q2"},
  {"role": "assistant", "content": "", "reasoning_content": "r",
   "tool_calls": [{"name": "f", "arguments": {}}]},
  {"role": "tool", "content": "t"}, {"role": "assistant", "content": "a2"}]})";

TEST(RowEncoder, LossCoversWhatTheModelWrites) {
  EXPECT_EQ(marked(encoder("qwen3").render(training(kConversation))),
            "<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n[[a1<|im_end|>]]\n"
            "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n[[<think>\nr\n</think>\n\n"
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call><|im_end|>]]\n"
            "<|im_start|>user\n<tool_response>\nt\n</tool_response><|im_end|>\n"
            "<|im_start|>assistant\n[[<think>\n\n</think>\n\na2<|im_end|>]]\n");
  EXPECT_EQ(marked(encoder("qwen2.5").render(training(kConversation))),
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
            "assistant.<|im_end|>\n"
            "<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n[[a1<|im_end|>]]\n"
            "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n[["
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call><|im_end|>]]\n"
            "<|im_start|>user\n<tool_response>\nt\n</tool_response><|im_end|>\n"
            "<|im_start|>assistant\n[[a2<|im_end|>]]\n");
}

TEST(RowEncoder, LossOfAMessageIsHonoured) {
  const Row row = training(R"({"messages": [{"role": "user", "content": "q"},
    {"role": "assistant", "content": "one", "loss": false}, {"role": "user", "content": "q"},
    {"role": "assistant", "content": "two", "loss": 0.5}]})");
  RowEncoder::Scratch scratch;
  const EncodedSample sample = encoder("qwen2.5").encode(row, scratch);
  ASSERT_EQ(sample.tokens.size(), sample.weights.size());
  EXPECT_EQ(sample.trained_tokens(), 2);  // "two" and <|im_end|>
  const std::size_t size = sample.tokens.size();
  EXPECT_EQ(sample.tokens[size - 2], 151645);
  EXPECT_EQ(sample.weights[size - 1], 0.0F);
  EXPECT_EQ(sample.weights[size - 2], 0.5F);
  EXPECT_EQ(sample.weights[size - 3], 0.5F);
  EXPECT_EQ(sample.weights[size - 4], 0.0F);
}

TEST(RowEncoder, TokensBreakWhereGenerationStarts) {
  // In one string "\n\n\n" would be one token; inference reads "assistant\n" and goes on from
  // there.
  const Row row = training(R"({"messages": [{"role": "user", "content": "q"},
    {"role": "assistant", "content": "\n\nhi"}]})");
  const RowEncoder& qwen25 = encoder("qwen2.5");
  RowEncoder::Scratch scratch;
  const EncodedSample sample = qwen25.encode(row, scratch);
  std::vector<std::int32_t> whole;
  qwen25.tokenizer().encode(qwen25.render(row).text, scratch, whole);
  EXPECT_NE(sample.tokens, whole);
  const auto first = std::find(sample.weights.begin(), sample.weights.end(), 1.0F);
  const auto index = static_cast<std::size_t>(first - sample.weights.begin());
  const std::vector<std::int32_t> prompt(
      sample.tokens.begin(), sample.tokens.begin() + static_cast<std::ptrdiff_t>(index));
  EXPECT_EQ(prompt.back(), 198);  // "\n"
  EXPECT_EQ(qwen25.tokenizer().decode(sample.tokens, SpecialTokens::keep), qwen25.render(row).text);
}

TEST(RowEncoder, PropertiesOverAllGoldenConversations) {
  RowEncoder::Scratch scratch;
  std::size_t outputs = 0;
  for (const char* model : {"qwen2.5", "qwen3"}) {
    const std::string file = std::string("chat_golden_") + (model[4] == '2' ? "qwen25" : "qwen3");
    for (const JsonValue& value : golden(file + ".jsonl")) {
      if (!value.get("text").is_string()) continue;
      const Row row = parse_row(value, RowForm::verbatim);
      const RenderedRow rendered = encoder(model).render(row);
      const EncodedSample sample = encoder(model).encode(rendered, scratch);
      EXPECT_EQ(rendered.text, value.get("text").text());
      ASSERT_EQ(sample.tokens.size(), sample.weights.size());
      EXPECT_EQ(sample.weights[0], 0.0F);
      std::size_t end = 0;
      for (const Piece& piece : rendered.pieces) {
        EXPECT_EQ(piece.begin, end);
        EXPECT_LT(piece.begin, piece.end);
        end = piece.end;
        const std::string_view text =
            std::string_view(rendered.text).substr(piece.begin, piece.end - piece.begin);
        if (piece.kind == Piece::Kind::context) {
          EXPECT_EQ(piece.weight, 0.0F);
          continue;
        }
        ++outputs;
        EXPECT_EQ(piece.weight, 1.0F);
        ASSERT_GE(piece.message, 0);
        EXPECT_EQ(row.messages[static_cast<std::size_t>(piece.message)].role, "assistant");
        if (piece.kind == Piece::Kind::turn_end) {
          EXPECT_EQ(text, "<|im_end|>");
          continue;
        }
        const std::string before = rendered.text.substr(0, piece.begin);
        EXPECT_EQ(before.substr(before.size() - 22), "<|im_start|>assistant\n");
      }
      EXPECT_EQ(end, rendered.text.size());
    }
  }
  EXPECT_GT(outputs, 100U);
}

TEST(RowEncoder, ThreadsShareOneEncoder) {
  const RowEncoder& qwen3 = encoder("qwen3");
  std::vector<Row> rows;
  for (const JsonValue& value : golden("chat_golden_qwen3.jsonl")) {
    if (value.get("text").is_string()) rows.push_back(parse_row(value, RowForm::verbatim));
  }
  const auto encode_all = [&] {
    RowEncoder::Scratch scratch;
    std::vector<std::vector<std::int32_t>> all;
    for (const Row& row : rows) all.push_back(qwen3.encode(row, scratch).tokens);
    return all;
  };
  const auto expected = encode_all();
  std::vector<std::future<std::vector<std::vector<std::int32_t>>>> results;
  for (int i = 0; i < 4; ++i) results.push_back(std::async(std::launch::async, encode_all));
  for (auto& result : results) EXPECT_EQ(result.get(), expected);
}

TEST(RowEncoder, RowsThatTheTemplateRefuses) {
  const auto first = RowEncoder::load(unpacked() / "qwen3-first", {});
  Row row = training(kConversation);
  row.messages[1].content = JsonValue::make_null();
  RowEncoder::Scratch scratch;
  EXPECT_EQ(error_of<RowError>([&] { (void)first.encode(row, scratch); }),
            "messages[1] (assistant): content is null; this template needs a string");
  row.messages.clear();
  EXPECT_NE(error_of<RowError>([&] { (void)first.encode(row, scratch); }).find("no messages"),
            std::string::npos);
}

TEST(RowEncoder, FingerprintFollowsWhatChangesTheIds) {
  const RowEncoder& qwen3 = encoder("qwen3");
  EXPECT_EQ(qwen3.fingerprint().size(), 64U);
  EXPECT_EQ(RowEncoder::load(unpacked() / "qwen3", {}).fingerprint(), qwen3.fingerprint());
  EXPECT_NE(encoder("qwen2.5").fingerprint(), qwen3.fingerprint());
  EncodeOptions options;
  options.template_family = TemplateFamily::qwen3_first;
  EXPECT_NE(RowEncoder::load(unpacked() / "qwen3", options).fingerprint(), qwen3.fingerprint());
  for (const EncodingSettings& settings :
       {EncodingSettings{.template_mode = "swift-3.13"},
        EncodingSettings{.template_mode = "swift-3.7"},
        EncodingSettings{.template_mode = "swift-3.7", .strict_parity = true},
        EncodingSettings{.loss_scale = "hermes"}, EncodingSettings{.thinking = "keep"}}) {
    EXPECT_NE(RowEncoder::load(unpacked() / "qwen3", settings.parse()).fingerprint(),
              qwen3.fingerprint());
  }
  EXPECT_NE(error_of<UserError>([] {
              (void)EncodingSettings{.strict_parity = true}.parse();
            }).find("--strict_parity"),
            std::string::npos);
}

}  // namespace
}  // namespace longhaul
