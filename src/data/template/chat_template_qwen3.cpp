#include <algorithm>

#include "core/error.h"
#include "data/template/chat_template_qwen.h"
#include "data/template/chat_template_writer.h"

namespace longhaul {
namespace {

std::string_view strip_left(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text;
}

std::string_view strip_right(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

/// The part after the last `separator`; all when there is none.
std::string_view after_last(std::string_view text, std::string_view separator) {
  const std::size_t at = text.rfind(separator);
  return at == std::string_view::npos ? text : text.substr(at + separator.size());
}

class Qwen3Template final : public ChatTemplate {
 public:
  Qwen3Template(Qwen3Release release, ThinkingPolicy thinking)
      : release_(release), thinking_(thinking) {}
  [[nodiscard]] RenderedRow render(const Row& row) const override;

 private:
  /// What an assistant message says and thinks.
  struct Turn {
    std::string_view content;
    std::string_view reasoning;
    bool reasoning_is_text = true;  // false: reasoning_content is there but is no string
    bool has_reasoning = false;
  };

  [[nodiscard]] std::string_view content_of(const TemplateWriter& out, const Row& row,
                                            std::size_t index) const;
  [[nodiscard]] std::size_t last_query(const TemplateWriter& out, const Row& row) const;
  [[nodiscard]] Turn turn_of(const TemplateWriter& out, const Row& row, std::size_t index) const;
  void write_assistant(TemplateWriter& out, const Row& row, std::size_t index,
                       bool after_query) const;

  Qwen3Release release_;
  ThinkingPolicy thinking_;  // strip_history is what the template does anyway
};

std::string_view Qwen3Template::content_of(const TemplateWriter& out, const Row& row,
                                           std::size_t index) const {
  const JsonValue& content = row.messages[index].content;
  if (content.is_string()) return content.text();
  if (release_ == Qwen3Release::first) {
    out.refuse(index, fmt::format("content is {}; this template needs a string",
                                  describe(content.kind())));
  }
  return {};
}

/// The index of the last user message that is not just a wrapped tool response; without one, that
/// of the last message.
std::size_t Qwen3Template::last_query(const TemplateWriter& out, const Row& row) const {
  for (std::size_t i = row.messages.size(); i-- > 0;) {
    if (row.messages[i].role != "user") continue;
    if (release_ == Qwen3Release::current && !row.messages[i].content.is_string()) continue;
    if (!is_wrapped_tool_response(content_of(out, row, i))) return i;
  }
  return row.messages.size() - 1;
}

Qwen3Template::Turn Qwen3Template::turn_of(const TemplateWriter& out, const Row& row,
                                           std::size_t index) const {
  constexpr std::string_view kThinkEnd = "</think>";
  Turn turn;
  turn.content = content_of(out, row, index);
  const JsonValue& reasoning = row.messages[index].reasoning_content;
  if (reasoning.is_string()) {
    turn.reasoning = reasoning.text();
    turn.has_reasoning = !turn.reasoning.empty();
    return turn;
  }
  if (release_ == Qwen3Release::first && !reasoning.is_absent()) {
    turn.reasoning_is_text = false;
    turn.has_reasoning = reasoning.truthy();
    return turn;
  }
  const std::size_t end = turn.content.find(kThinkEnd);
  if (end == std::string_view::npos) return turn;
  turn.reasoning = strip_left(after_last(strip_right(turn.content.substr(0, end)), "<think>"));
  turn.has_reasoning = !turn.reasoning.empty();
  turn.content = strip_left(after_last(turn.content, kThinkEnd));
  return turn;
}

void Qwen3Template::write_assistant(TemplateWriter& out, const Row& row, std::size_t index,
                                    bool after_query) const {
  const Message& message = row.messages[index];
  const Turn turn = turn_of(out, row, index);
  const bool last = index + 1 == row.messages.size();
  out.text("<|im_start|>assistant\n");
  out.begin_output(index);
  if (after_query && (last || turn.has_reasoning)) {
    if (!turn.reasoning_is_text) out.refuse(index, "reasoning_content is not a string");
    out.text("<think>\n");
    out.text(strip_left(strip_right(turn.reasoning)));
    out.text("\n</think>\n\n");
    out.text(strip_left(turn.content));
  } else {
    out.text(turn.content);
  }
  if (message.tool_calls.truthy()) {
    if (!message.tool_calls.is_array()) out.refuse(index, "tool_calls is not a list");
    bool newline = !turn.content.empty();
    for (const JsonValue& call : message.tool_calls.array()) {
      const JsonValue& function = call.get("function").truthy() ? call.get("function") : call;
      if (newline) out.text("\n");
      newline = true;
      out.text("<tool_call>\n{\"name\": \"");
      out.print(function.get("name"), index);
      out.text("\", \"arguments\": ");
      if (function.get("arguments").is_string()) {
        out.text(function.get("arguments").text());
      } else {
        out.json(function.get("arguments"), index);
      }
      out.text("}\n</tool_call>");
    }
  }
  out.end_turn("<|im_end|>");
  out.text("\n");
}

RenderedRow Qwen3Template::render(const Row& row) const {
  if (row.messages.empty()) throw RowError("no messages: the list is empty");
  TemplateWriter out(row);
  const bool has_system = row.messages[0].role == "system";
  if (row.tools.truthy()) {
    out.text("<|im_start|>system\n");
    if (has_system) {
      out.content(0);
      out.text("\n\n");
    }
    out.tools();
  } else if (has_system) {
    out.text("<|im_start|>system\n");
    out.content(0);
    out.text("<|im_end|>\n");
  }
  const std::size_t query = last_query(out, row);
  for (std::size_t i = 0; i < row.messages.size(); ++i) {
    const Message& message = row.messages[i];
    if (message.role == "user" || (message.role == "system" && i != 0)) {
      out.text("<|im_start|>");
      out.text(message.role);
      out.text("\n");
      out.text(content_of(out, row, i));
      out.text("<|im_end|>\n");
    } else if (message.role == "assistant") {
      write_assistant(out, row, i, i > query || thinking_ == ThinkingPolicy::keep);
    } else if (message.role == "tool") {
      if (release_ == Qwen3Release::first) {
        out.tool_response(i, message.content);
      } else {
        static const JsonValue kNoContent = JsonValue::make_string("");
        out.tool_response(i, message.content.is_string() ? message.content : kNoContent);
      }
    }
  }
  if (row.add_generation_prompt) {
    out.text("<|im_start|>assistant\n");
    if (row.enable_thinking.has_value() && !*row.enable_thinking) {
      out.text("<think>\n\n</think>\n\n");
    }
  }
  return out.finish();
}

}  // namespace

std::unique_ptr<ChatTemplate> make_qwen3_template(Qwen3Release release, ThinkingPolicy thinking) {
  return std::make_unique<Qwen3Template>(release, thinking);
}

}  // namespace longhaul
