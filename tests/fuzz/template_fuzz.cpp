// The chat templates: conversations put together from the texts that templates look for. More of
// them than rows_fuzz, whose inputs must be JSON first.
#include <fmt/format.h>

#include <array>

#include "data/rows/row_parse.h"
#include "rendering.h"

using namespace longhaul;
using fuzz::Choices;

namespace {

constexpr std::array<std::string_view, 24> kParts{"<think>",
                                                  "</think>",
                                                  "<think>\n\n</think>\n\n",
                                                  "\n",
                                                  "\n\n",
                                                  " ",
                                                  "<tool_response>",
                                                  "</tool_response>",
                                                  "<tool_call>",
                                                  "</tool_call>",
                                                  "<|im_start|>",
                                                  "<|im_end|>",
                                                  "text",
                                                  "<tool_response>\n",
                                                  "\n</tool_response>",
                                                  "<|im_start|>assistant\n",
                                                  "",
                                                  "\r",
                                                  "\t",
                                                  "\xC2\xA0",
                                                  "{\"a\": 1}",
                                                  "Action:",
                                                  "\xF0\x9F\x98\x80",
                                                  "Observation:"};

std::string some_text(Choices& choices) {
  std::string text;
  for (std::size_t parts = choices.below(6); parts > 0; --parts) {
    const std::size_t which = choices.below(kParts.size() + 2);
    if (which < kParts.size()) {
      text += kParts[which];
    } else {
      text += utf8_lossy(choices.text(20));
    }
  }
  return text;
}

JsonValue some_value(Choices& choices, int depth) {
  switch (choices.below(depth > 0 ? 9 : 6)) {
    case 0:
      return JsonValue::make_null();
    case 1:
      return JsonValue::make_boolean(choices.byte() % 2 == 0);
    case 2:
      return JsonValue::make_integer(std::to_string(choices.number()));
    case 3:
      return JsonValue::make_real("1.5");
    case 4:
    case 5:
      return JsonValue::make_string(some_text(choices));
    case 6: {
      JsonValue list = JsonValue::make_array();
      for (std::size_t n = choices.below(4); n > 0; --n) {
        list.array().push_back(some_value(choices, depth - 1));
      }
      return list;
    }
    default: {
      constexpr std::array<const char*, 6> kKeys{"name", "arguments",  "function",
                                                 "type", "parameters", "content"};
      JsonValue object = JsonValue::make_object();
      const std::size_t first = choices.below(kKeys.size());
      for (std::size_t n = choices.below(4); n > 0; --n) {
        object.object().push_back(
            {kKeys[(first + n) % kKeys.size()], some_value(choices, depth - 1)});
      }
      return object;
    }
  }
}

/// As in training rows: {"name", "arguments"}.
JsonValue some_calls(Choices& choices) {
  JsonValue calls = JsonValue::make_array();
  for (std::size_t n = 1 + choices.below(3); n > 0; --n) {
    calls.array().push_back(JsonValue::make_object(
        {{"name", JsonValue::make_string(fmt::format("f{}", some_text(choices)))},
         {"arguments", some_value(choices, 3)}}));
  }
  return calls;
}

Row some_row(Choices& choices, RowForm form) {
  constexpr std::array<const char*, 5> kRoles{"system", "user", "assistant", "tool", "other"};
  const bool verbatim = form == RowForm::verbatim;
  Row row;
  row.id = "x";
  row.verbatim = verbatim;
  row.has_tools_list = choices.below(2) == 0;
  row.tools = verbatim && choices.below(2) == 0 ? some_value(choices, 3) : JsonValue::make_array();
  if (row.tools.is_array()) {
    for (std::size_t n = choices.below(3); n > 0; --n) {
      row.tools.array().push_back(JsonValue::make_object(
          {{"type", JsonValue::make_string("function")}, {"function", some_value(choices, 3)}}));
    }
  }
  row.add_generation_prompt = verbatim && choices.below(2) == 0;
  if (choices.below(3) == 0) row.enable_thinking = choices.below(2) == 0;
  do {
    Message message;
    message.role = kRoles[choices.below(verbatim ? 5 : 4)];
    message.content = JsonValue::make_string(some_text(choices));
    const std::size_t form_of = choices.byte();
    if (verbatim && form_of % 5 == 0) message.content = some_value(choices, 2);
    if (message.role == "assistant") {
      if (form_of % 3 == 0) message.tool_calls = some_calls(choices);
      if (form_of % 4 == 0) message.reasoning_content = JsonValue::make_string(some_text(choices));
      if (form_of % 7 == 0) message.loss = static_cast<float>(choices.below(3)) / 2;
      if (verbatim && form_of % 11 == 0) message.tool_calls = some_value(choices, 3);
      if (verbatim && form_of % 13 == 0) message.reasoning_content = some_value(choices, 2);
    }
    row.messages.push_back(std::move(message));
  } while (!choices.empty() && row.messages.size() < 40);
  return row;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  const RowForm form = choices.byte() % 2 == 0 ? RowForm::training : RowForm::verbatim;
  fuzz::render_with_all(some_row(choices, form));
  return 0;
}
