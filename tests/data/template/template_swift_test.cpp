// The dialects swift-3.13 and swift-3.7 against what those releases made of the golden rows, and
// what they do with rows beyond them.
#include <gtest/gtest.h>

#include <utility>

#include "core/error.h"
#include "data/rows/row_parse.h"
#include "data/template/loss_policy.h"
#include "data/text_test_support.h"

namespace longhaul {
namespace {

using test::error_of;

using Pieces = std::vector<std::pair<std::string, float>>;

struct Setting {
  TemplateMode mode = TemplateMode::swift_3_13;
  TemplateFamily family = TemplateFamily::qwen3;
  std::string loss_scale = "default";
  ThinkingPolicy thinking = ThinkingPolicy::as_template;
  bool strict = false;
};

RenderedRow render(const JsonValue& row, const Setting& setting) {
  const LossScale scale = parse_loss_scale(setting.loss_scale);
  const RowForm form = setting.mode == TemplateMode::hf ? RowForm::training
                       : setting.strict                 ? RowForm::swift_strict
                                                        : RowForm::swift;
  const Row parsed = parse_row(row, form);
  RenderedRow rendered = make_chat_template({.mode = setting.mode,
                                             .family = setting.family,
                                             .thinking = setting.thinking,
                                             .loss_scale = scale,
                                             .strict_parity = setting.strict})
                             ->render(parsed);
  LossPolicy(scale, setting.mode, setting.strict).apply(parsed, rendered);
  return rendered;
}

RenderedRow render(std::string_view row, const Setting& setting) {
  return render(parse_json(row), setting);
}

Pieces pieces_of(const RenderedRow& rendered) {
  Pieces pieces;
  for (const Piece& piece : rendered.pieces) {
    pieces.emplace_back(rendered.text.substr(piece.begin, piece.end - piece.begin), piece.weight);
  }
  return pieces;
}

/// The text with [..] around what has weight 1 and {..} around other weights.
std::string marked(const RenderedRow& rendered) {
  std::string out;
  for (const auto& [text, weight] : pieces_of(rendered)) {
    out += weight == 0.0F ? text : weight == 1.0F ? "[" + text + "]" : "{" + text + "}";
  }
  return out;
}

TEST(SwiftTemplate, GoldenRows) {
  const JsonValue golden =
      parse_json_file(std::filesystem::path(LONGHAUL_TEST_DATA) / "golden/template_swift.json");
  std::size_t rendered = 0;
  std::size_t dropped = 0;
  for (const JsonValue& item : golden.get("cases").array()) {
    Setting setting;
    setting.mode = parse_template_mode(item.get("template_mode").text());
    setting.family = *parse_template_family(item.get("chat_template").text());
    setting.loss_scale = item.get("loss_scale").text();
    const JsonValue& row = golden.get("rows").get(item.get("row").text());
    for (const bool strict : {false, true}) {
      setting.strict = strict;
      const std::string name = fmt::format(
          "{} {} {} row {} strict {}", item.get("template_mode").text(),
          item.get("chat_template").text(), setting.loss_scale, item.get("row").text(), strict);
      if (!item.get("pieces").is_array()) {
        ++dropped;
        if (strict) {
          EXPECT_NE(error_of<RowError>([&] { render(row, setting); }).find("drops it"),
                    std::string::npos)
              << name;
        } else {
          EXPECT_NE(render(row, setting).note, "") << name;
        }
        continue;
      }
      ++rendered;
      Pieces expected;
      for (const JsonValue& piece : item.get("pieces").array()) {
        expected.emplace_back(piece.array()[0].text(),
                              static_cast<float>(piece.array()[1].number()));
      }
      const RenderedRow result = render(row, setting);
      EXPECT_EQ(pieces_of(result), expected) << name;
      EXPECT_EQ(result.note, "") << name;
    }
  }
  EXPECT_EQ(rendered + dropped, 2 * 2U * 14U * 3U);
  EXPECT_GT(dropped, 20U);
}

constexpr const char* kNudge = R"({"messages": [{"role": "user", "content": "u"},
  {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
  {"role": "tool", "content": "r"}, {"role": "user", "content": "go on"},
  {"role": "assistant", "content": "a"}]})";

TEST(SwiftTemplate, RowsThatTheStackDropsAreKeptWithANote) {
  const RenderedRow nudge = render(kNudge, {});
  EXPECT_EQ(marked(nudge),
            "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n[<think>\n\n</think>\n\n"
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call><|im_end|>\n]"
            "<|im_start|>user\n<tool_response>\nr\n</tool_response><|im_end|>\n"
            "<|im_start|>user\ngo on<|im_end|>\n<|im_start|>assistant\n"
            "[<think>\n\n</think>\n\na<|im_end|>\n]");
  EXPECT_EQ(nudge.note, "messages[1] (assistant): no content");
  EXPECT_NE(error_of<RowError>([] { render(kNudge, {.strict = true}); }).find("no content"),
            std::string::npos);
  const RenderedRow first = render(
      R"({"messages": [{"role": "tool", "content": "r"}, {"role": "assistant", "content": "a"}]})",
      {.family = TemplateFamily::qwen25});
  EXPECT_EQ(first.note, "a tool result that begins the conversation");
}

TEST(SwiftTemplate, StrictParityOverlooksWhatTheStackOverlooks) {
  constexpr const char* kRow = R"({"messages": [{"role": "user", "content": "u"},
    {"role": "assistant", "content": "text", "reasoning_content": "why", "loss": false,
     "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]})";
  EXPECT_EQ(marked(render(kRow, {.mode = TemplateMode::swift_3_7, .strict = true})),
            "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n[text<|im_end|>]");
  // 3.13 knows "loss", but not for the end of the last turn.
  EXPECT_EQ(marked(render(kRow, {.strict = true})),
            "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\ntext"
            "[<|im_end|>\n]");
  EXPECT_EQ(marked(render(kRow, {.mode = TemplateMode::swift_3_7})),
            "<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n<think>\nwhy\n</think>\n\ntext"
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>[<|im_end|>]");
  for (const char* bad :
       {R"({"role": "function", "content": "x"})", R"({"role": "tool_call", "content": "{}"})",
        R"({"role": "tool_call", "content": "{\"name\": \"f\"}"})",
        R"({"role": "tool_call", "content": "{\"name\": \"f\", \"arguments\": \"hello\"}"})",
        R"({"role": "user"})"}) {
    const std::string row =
        fmt::format(R"({{"messages": [{{"role": "user", "content": "u"}}, {}]}})", bad);
    EXPECT_NE(error_of<RowError>([&] { render(row, {.strict = true}); }), "") << bad;
  }
}

TEST(SwiftTemplate, AnswersInReActFormGoOnAfterTheResults) {
  EXPECT_EQ(
      marked(render(R"({"messages": [{"role": "user", "content": "u"},
        {"role": "assistant", "content": "Action: f\nAction Input: {}"},
        {"role": "tool", "content": "r1"}, {"role": "tool", "content": "r2\n"},
        {"role": "assistant", "content": "Thought: done"}]})",
                    {.family = TemplateFamily::qwen25, .loss_scale = "default"})),
      "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
      "assistant.<|im_end|>\n<|im_start|>user\nu<|im_end|>\n<|im_start|>assistant\n"
      "[Action: f\nAction Input: {}\nObservation:]r1\nObservation:r2\n[Thought: done<|im_end|>\n]");
}

TEST(SwiftTemplate, Thinking) {
  constexpr const char* kRow = R"({"messages": [{"role": "user", "content": "u1"},
    {"role": "assistant", "content": "<think>\nR1\n</think>\n\n a1 "}, {"role": "user", "content": "u2"},
    {"role": "assistant", "content": "a2"}, {"role": "tool", "content": "t"},
    {"role": "assistant", "content": "<think>\nR3\n</think>\n\na3"}]})";
  const auto text = [&](const Setting& setting) { return render(kRow, setting).text; };
  using enum ThinkingPolicy;
  const std::string kept = text({.loss_scale = "last_round", .thinking = keep});
  EXPECT_NE(kept.find("R1"), std::string::npos);
  EXPECT_NE(kept.find("<think>\n\n</think>\n\na2"), std::string::npos);
  const std::string stripped = text({.thinking = strip_history});
  EXPECT_NE(stripped.find("assistant\na1<|im_end|>"), std::string::npos) << stripped;
  EXPECT_NE(stripped.find("R3"), std::string::npos);
  const std::string old = text({.mode = TemplateMode::swift_3_7, .thinking = strip_history});
  EXPECT_NE(old.find("assistant\na1<|im_end|>"), std::string::npos) << old;
  const std::string mixed =
      text({.mode = TemplateMode::swift_3_7, .loss_scale = "last_round+ignore_empty_think"});
  EXPECT_NE(mixed.find("R1"), std::string::npos) << "3.7 strips for last_round alone only";
  EXPECT_NE(error_of<UserError>([&] {
              text({.family = TemplateFamily::qwen25, .thinking = keep});
            }).find("--thinking"),
            std::string::npos);
}

constexpr const char* kAgent = R"({"messages": [{"role": "user", "content": "u1"},
  {"role": "assistant", "content": "a1", "reasoning_content": "R1"}, {"role": "user", "content": "u2"},
  {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {}}]},
  {"role": "tool", "content": "t"}, {"role": "assistant", "content": "a2"}]})";

TEST(LossPolicy, PublishedTemplates) {
  using enum ThinkingPolicy;
  const auto qwen3 = [](const char* scale, ThinkingPolicy thinking = as_template) {
    return marked(
        render(kAgent, {.mode = TemplateMode::hf, .loss_scale = scale, .thinking = thinking}));
  };
  const std::string head = "<|im_start|>user\nu1<|im_end|>\n<|im_start|>assistant\n";
  const std::string middle = "\n<|im_start|>user\nu2<|im_end|>\n<|im_start|>assistant\n";
  const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
  const std::string result =
      "\n<|im_start|>user\n<tool_response>\nt\n</tool_response><|im_end|>\n<|im_start|>assistant\n";
  EXPECT_EQ(qwen3("last_round"), head + "a1<|im_end|>" + middle + "[" + call + "][<|im_end|>]" +
                                     result + "[<think>\n\n</think>\n\na2][<|im_end|>]\n");
  EXPECT_EQ(qwen3("hermes"), head + "[a1][<|im_end|>]" + middle + "{" + call + "}[<|im_end|>]" +
                                 result + "[<think>\n\n</think>\n\na2][<|im_end|>]\n");
  EXPECT_EQ(qwen3("last_round+ignore_empty_think+hermes"),
            head + "a1<|im_end|>" + middle + "{" + call + "}[<|im_end|>]" + result +
                "<think>\n\n</think>\n\n[a2][<|im_end|>]\n");
  EXPECT_EQ(qwen3("default", keep).substr(head.size(), 31), "[<think>\nR1\n</think>\n\na1][<|im_");
  EXPECT_EQ(qwen3("all"), "[" + head + "][a1][<|im_end|>][" + middle + "][" + call +
                              "][<|im_end|>][" + result +
                              "][<think>\n\n</think>\n\na2][<|im_end|>][\n]");
}

TEST(LossScale, Flag) {
  for (const char* name : {"default", "last_round", "all", "default+ignore_empty_think",
                           "last_round+ignore_empty_think+hermes"}) {
    EXPECT_EQ(name_of(parse_loss_scale(name)), name);
  }
  EXPECT_EQ(name_of(parse_loss_scale("hermes")), "default+hermes");
  EXPECT_EQ(name_of(parse_loss_scale("last_round_with_ignore_empty_think")),
            "last_round+ignore_empty_think");
  for (const char* bad : {"", "some", "last_round+", "hermes+all", "all+last_round", "all+x"}) {
    EXPECT_NE(error_of<UserError>([&] { parse_loss_scale(bad); }).find("--loss_scale"),
              std::string::npos)
        << bad;
  }
}

TEST(LossPolicy, PatternsAreThoseOfPython) {
  const auto answer = [](std::string_view text, const char* scale) {
    JsonValue row = parse_json(R"({"messages": [{"role": "assistant", "content": ""}]})");
    row.find("messages")->array()[0].find("content")->text() = text;
    const std::string all = marked(render(
        row, {.mode = TemplateMode::hf, .family = TemplateFamily::qwen25, .loss_scale = scale}));
    const std::size_t begin = all.find("assistant\n") + 10;
    return all.substr(begin, all.find("[<|im_end|>") - begin);
  };
  EXPECT_EQ(answer("a<think>\u00a0\u2003\n</think> \u3000b", "ignore_empty_think"),
            "[a]<think>\u00a0\u2003\n</think> \u3000[b]");
  EXPECT_EQ(answer("<think>x</think><think></think>", "ignore_empty_think"),
            "[<think>x</think>]<think></think>");
  EXPECT_EQ(answer("<think>\u200b</think>", "ignore_empty_think"), "[<think>\u200b</think>]");
  EXPECT_EQ(answer("a<tool_call></tool_call>b</tool_call>c", "hermes"),
            "[a]{<tool_call></tool_call>b</tool_call>}[c]");
  EXPECT_EQ(answer("<tool_call>é</tool_call><tool_call>1</tool_call><tool_call>", "hermes"),
            "{<tool_call>é</tool_call>}{<tool_call>1</tool_call>}[<tool_call>]");
}

}  // namespace
}  // namespace longhaul
