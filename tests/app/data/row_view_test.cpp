// What `longhaul data show` and `diff-template` are made of.
#include <gtest/gtest.h>

#include <sstream>

#include "app/data/row_painter.h"
#include "core/error.h"
#include "data/check/find_rows.h"
#include "data/check/reference_rows.h"
#include "data/check/rendering_difference.h"
#include "data/check/row_parts.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::encoder;
using test::error_of;
using test::fresh_folder;
using test::write_file;

Row row_of(const std::string& messages) {
  return parse_row(parse_json(fmt::format(R"({{"messages": {}}})", messages)), RowForm::training);
}

EncodedSample sample_of(const std::string& messages) {
  RowEncoder::Scratch scratch;
  return encoder("qwen2.5").encode(row_of(messages), scratch);
}

std::string paint(const EncodedSample& sample, PaintOptions options = {}) {
  return paint_row(encoder("qwen2.5").tokenizer(), sample, options).text;
}

/// The options of colours for the messages after an empty system message.
PaintOptions colored() { return {true, false, 0}; }

const std::string kSystem = R"({"role": "system", "content": ""})";
const std::string kSystemText = "<|im_start|>system\n<|im_end|>\n";

TEST(RowParts, CoverTheTokensInOrder) {
  const Tokenizer& tokenizer = encoder("qwen2.5").tokenizer();
  const EncodedSample sample = sample_of(
      R"([{"role": "user", "content": "ü世"}, {"role": "assistant", "content": "a b", "loss": 0.5}])");
  std::size_t next = 0;
  std::string text;
  for (const RowPart& part : split_into_parts(tokenizer, sample)) {
    EXPECT_EQ(part.first, next);
    ASSERT_GE(part.count, 1U);
    next += part.count;
    for (std::size_t i = part.first; i < next; ++i) EXPECT_EQ(sample.weights[i], part.weight);
    const std::string piece = text_of(tokenizer, sample, part);
    EXPECT_EQ(part.added, piece.starts_with("<|")) << piece;
    text += piece;
  }
  EXPECT_EQ(next, sample.tokens.size());
  EXPECT_EQ(text, tokenizer.decode(sample.tokens, SpecialTokens::keep));
}

TEST(RowPainter, MarkersWithoutColor) {
  const std::string messages =
      "[" + kSystem +
      R"(, {"role": "user", "content": "q"}, {"role": "assistant", "content": "yes"},
         {"role": "assistant", "content": "half", "loss": 0.5},
         {"role": "assistant", "content": "no", "loss": false}])";
  EXPECT_EQ(
      paint(sample_of(messages)),
      kSystemText +
          "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n⟦yes<|im_end|>⟧\n"
          "<|im_start|>assistant\n⟦×0.5 half<|im_end|>⟧\n<|im_start|>assistant\nno<|im_end|>\n");
}

TEST(RowPainter, Colors) {
  const std::string text =
      paint(sample_of("[" + kSystem + R"(, {"role": "assistant", "content": "one\ntwo"},
                                  {"role": "assistant", "content": "half", "loss": 0.5}])"),
            colored());
  // Each line has its own beginning and end of a colour.
  EXPECT_NE(text.find("\033[32mone\033[0m\n\033[32mtwo\033[0m\033[2;32m<|im_end|>\033[0m\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\033[2;33m×0.5 \033[0m\033[33mhalf\033[0m\033[2;33m<|im_end|>\033[0m\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\033[2m<|im_start|>\033[0massistant\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("⟦"), std::string::npos);
}

TEST(RowPainter, ANewlineAtTheEndOfTrainedTextIsSeenInColor) {
  const Tokenizer& tokenizer = encoder("qwen2.5").tokenizer();
  RowEncoder::Scratch scratch;
  EncodedSample sample;
  tokenizer.encode("a<|im_end|>\n", scratch, sample.tokens);
  sample.weights.assign(sample.tokens.size(), 1.0F);
  EXPECT_EQ(paint(sample, colored()),
            "\033[32ma\033[0m\033[2;32m<|im_end|>\033[0m\033[32m↵\033[0m\n");
  EXPECT_EQ(paint(sample), "⟦a<|im_end|>\n⟧\n");
}

TEST(RowPainter, ControlCharactersAreSpelledInEveryMode) {
  const EncodedSample sample = sample_of(
      "[" + kSystem + R"(, {"role": "tool", "content": "\u001b[31mred\u0007\r\n\u202e\u0000"},
                           {"role": "assistant", "content": "\u001b[2J\u009b"}])");
  for (const bool tokens : {false, true}) {
    const std::string text = paint(sample, {false, tokens, 0});
    for (const char c : text) {
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n') << static_cast<int>(c);
    }
    EXPECT_EQ(text.find("\u202e"), std::string::npos);
    EXPECT_EQ(text.find("\u009b"), std::string::npos);
    EXPECT_NE(text.find("\\u001b"), std::string::npos) << text;
  }
}

TEST(RowPainter, FoldsOnlyWhatCarriesNoLoss) {
  const std::string long_text(400, 'x');
  const EncodedSample sample = sample_of(fmt::format(
      R"([{}, {{"role": "user", "content": "begin{}end"}}, {{"role": "assistant", "content": "{}"}}])",
      kSystem, long_text, long_text));
  PaintOptions options;
  options.max_chars = 40;
  const PaintedRow painted = paint_row(encoder("qwen2.5").tokenizer(), sample, options);
  EXPECT_EQ(painted.folded_parts, 1);
  EXPECT_EQ(painted.folded_characters, 400 + 8 + 5 - 40);  // of "user\nbegin…end"
  EXPECT_NE(painted.text.find("user\nbegin" + std::string(20, 'x') +
                              "[… 373 characters are not shown …]xxxxxxxend<|im_end|>"),
            std::string::npos)
      << painted.text;
  EXPECT_NE(painted.text.find("⟦" + long_text + "<|im_end|>⟧"), std::string::npos);
  options.max_chars = 0;
  EXPECT_EQ(paint_row(encoder("qwen2.5").tokenizer(), sample, options).folded_parts, 0);
  options.max_chars = 413;  // just enough
  EXPECT_EQ(paint_row(encoder("qwen2.5").tokenizer(), sample, options).folded_parts, 0);

  options = {false, true, 40};
  const PaintedRow tokens = paint_row(encoder("qwen2.5").tokenizer(), sample, options);
  EXPECT_EQ(tokens.folded_parts, 1);
  EXPECT_GT(tokens.folded_characters, 300);
}

TEST(RowPainter, TokensWithTheirIds) {
  const EncodedSample sample =
      sample_of("[" + kSystem + R"(, {"role": "assistant", "content": "Hello 𓀀"}])");
  const std::string text = paint(sample, {false, true, 0});
  EXPECT_NE(text.find("<|im_start|>‹151644›system‹8948›\\n‹198›\n<|im_end|>‹151645›\\n‹198›\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("⟦Hello‹9707›"), std::string::npos) << text;
  EXPECT_NE(text.find("\\x"), std::string::npos) << "parts of a character: " << text;
  for (const std::int32_t id : sample.tokens) {
    EXPECT_NE(text.find(fmt::format("‹{}›", id)), std::string::npos) << id;
  }
}

// ---- finding rows

std::vector<std::int64_t> lines_of(std::string_view text, const RowQuery& query,
                                   SearchedFile* searched = nullptr, bool go_on = true) {
  std::istringstream stream{std::string(text)};
  LineReader reader(stream, "folder/rows.jsonl");
  std::vector<std::int64_t> lines;
  const SearchedFile result = find_rows(reader, query, RowForm::training, [&](const FoundRow& row) {
    lines.push_back(row.line);
    return go_on;
  });
  if (searched != nullptr) *searched = result;
  return lines;
}

RowQuery by_id(const std::string& id) { return {id, std::nullopt, std::nullopt}; }
using Lines = std::vector<std::int64_t>;

TEST(FindRows, ById) {
  const std::string rows =
      "{\"id\": \"a\"}\n\n{\"id\": \"b\", \"x\": \"a\"}\n{\"id\": \"\\u0061\"}\nnot json a\n"
      "{\"id\": 123456789012345678901234567890}\n{\"id\": \"q\\\"/\\/\"}\n{}\n"
      "{\"id\": \"rows.jsonl:1\"}\n{\"id\": 1.50}\n";
  SearchedFile searched;
  EXPECT_EQ(lines_of(rows, by_id("a"), &searched), (Lines{1, 4}));
  EXPECT_EQ(searched.rows, 9);
  EXPECT_EQ(searched.last_line, 10);
  EXPECT_EQ(lines_of(rows, by_id("a"), nullptr, false), Lines{1});
  EXPECT_EQ(lines_of(rows, by_id("123456789012345678901234567890")), Lines{6});
  EXPECT_EQ(lines_of(rows, by_id("q\"//")), Lines{7});
  EXPECT_EQ(lines_of(rows, by_id("1.5")), Lines{10});
  // Rows without an id are called by file and line; a given id of that form counts, too.
  EXPECT_EQ(lines_of(rows, by_id("rows.jsonl:8")), Lines{8});
  EXPECT_EQ(lines_of(rows, by_id("rows.jsonl:5")), Lines{5});
  EXPECT_EQ(lines_of(rows, by_id("rows.jsonl:1")), Lines{9});
  EXPECT_EQ(lines_of(rows, by_id("rows.jsonl:2")), Lines{});
  EXPECT_EQ(lines_of(rows, by_id("absent")), Lines{});
}

TEST(FindRows, ByLineAndIndex) {
  const std::string rows = "{}\n\n{}\n{\n";
  SearchedFile searched;
  EXPECT_EQ(lines_of(rows, {std::nullopt, 3, std::nullopt}), Lines{3});
  EXPECT_EQ(lines_of(rows, {std::nullopt, 2, std::nullopt}, &searched), Lines{});
  EXPECT_EQ(searched.last_line, 1);
  EXPECT_EQ(lines_of(rows, {std::nullopt, std::nullopt, 2}), Lines{4});
  EXPECT_EQ(lines_of(rows, {std::nullopt, std::nullopt, 3}, &searched), Lines{});
  EXPECT_EQ(searched.rows, 3);
  EXPECT_EQ(lines_of(rows, {}), (Lines{1, 3, 4}));
}

// ---- references

TEST(ReferenceRows, InOrderAndById) {
  const auto file = fresh_folder("reference") / "reference.jsonl";
  write_file(
      file,
      "\xEF\xBB\xBF{\"text\": \"ü\"}\r\n\n{\"text\": \"\", \"ids\": []}\n{\"error\": \"no\"}");
  ReferenceRows in_order(file);
  EXPECT_EQ(in_order.unused(), 3);
  EXPECT_EQ(in_order.find("whatever", 0)->text, "ü");
  EXPECT_FALSE(in_order.find("whatever", 0)->ids);
  EXPECT_EQ(in_order.find("", 1)->line, 3);
  EXPECT_TRUE(in_order.find("", 1)->ids);
  EXPECT_EQ(in_order.find("", 2)->error, "no");
  EXPECT_FALSE(in_order.find("", 3));
  EXPECT_EQ(in_order.unused(), 0);

  write_file(file,
             "{\"id\": \"b\", \"text\": \"1\"}\n{\"id\": 7, \"text\": \"2\", \"ids\": [1, 2]}\n");
  ReferenceRows by_id(file);
  EXPECT_EQ(by_id.find("7", 0)->text, "2");
  EXPECT_EQ(by_id.find("7", 0)->ids, (std::vector<std::int64_t>{1, 2}));
  EXPECT_FALSE(by_id.find("a", 0));
  EXPECT_EQ(by_id.unused(), 1);
}

TEST(ReferenceRows, BadFilesAreNamedWithTheLine) {
  const auto file = fresh_folder("reference") / "reference.jsonl";
  const auto complaint = [&](const std::string& second_line) {
    write_file(file, "{\"id\": \"a\", \"text\": \"1\"}\n" + second_line);
    const std::string text = error_of<UserError>([&] { ReferenceRows rows(file); });
    EXPECT_NE(text.find("reference.jsonl:2: "), std::string::npos) << text;
    return text;
  };
  EXPECT_NE(complaint("{\"text\": \"1\"}").find("has not an id, line 1 has"), std::string::npos);
  EXPECT_NE(complaint("{\"id\": \"a\", \"text\": \"1\"}").find("the id of line 1"),
            std::string::npos);
  EXPECT_NE(complaint("{\"id\": \"b\"}").find("\"text\""), std::string::npos);
  EXPECT_NE(complaint("{\"id\": \"b\", \"text\": \"\", \"ids\": [-1]}").find("\"ids\""),
            std::string::npos);
  EXPECT_NE(complaint("{\"id\": \"b\", \"text\": \"\", \"ids\": 3}").find("\"ids\""),
            std::string::npos);
  EXPECT_NE(complaint("{").find("not JSON"), std::string::npos);
}

TEST(IdDifference, TellsWhereAndWhetherOnlyTheCutsDiffer) {
  const RowEncoder& qwen3 = encoder("qwen3");
  RowEncoder::Scratch scratch;
  const RenderedRow rendered = qwen3.render(
      row_of(R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])"));
  const EncodedSample sample = qwen3.encode(rendered, scratch);
  std::vector<std::int64_t> ids(sample.tokens.begin(), sample.tokens.end());
  EXPECT_FALSE(find_id_difference(qwen3, rendered, ids, scratch));
  ids[2] = 5;
  auto difference = find_id_difference(qwen3, rendered, ids, scratch);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->index, 2);
  EXPECT_EQ(difference->ours, 198);
  EXPECT_EQ(difference->theirs, 5);
  EXPECT_FALSE(difference->only_at_boundaries);
  ids.resize(2);
  EXPECT_FALSE(find_id_difference(qwen3, rendered, ids, scratch)->theirs);

  // A turn that begins with newlines melts into the one before it, unless it is cut off first.
  RenderedRow cut;
  cut.text = "assistant\n\n\nx";
  cut.pieces = {{0, 10, Piece::Kind::context, -1, false, 0.0F},
                {10, 13, Piece::Kind::output, 0, true, 1.0F}};
  std::vector<std::int32_t> whole;
  qwen3.tokenizer().encode(cut.text, scratch, whole);
  ids.assign(whole.begin(), whole.end());
  difference = find_id_difference(qwen3, cut, ids, scratch);
  ASSERT_TRUE(difference);
  EXPECT_TRUE(difference->only_at_boundaries);
}

}  // namespace
}  // namespace longhaul
