#include "core/error.h"
#include "data/template/chat_template_qwen.h"
#include "data/template/chat_template_writer.h"

namespace longhaul {
namespace {

constexpr std::string_view default_system(Qwen25Release release) {
  return release == Qwen25Release::base
             ? "You are a helpful assistant."
             : "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
}

class Qwen25Template final : public ChatTemplate {
 public:
  explicit Qwen25Template(Qwen25Release release) : release_(release) {}
  [[nodiscard]] RenderedRow render(const Row& row) const override;

 private:
  void write_system(TemplateWriter& out, const Row& row) const;
  static void write_calls(TemplateWriter& out, const Row& row, std::size_t index);

  Qwen25Release release_;
};

void Qwen25Template::write_system(TemplateWriter& out, const Row& row) const {
  const bool given = row.messages[0].role == "system";
  out.text("<|im_start|>system\n");
  if (!given) {
    out.text(default_system(release_));
  } else if (row.tools.truthy()) {
    out.print(row.messages[0].content, 0);
  } else {
    out.content(0);
  }
  if (row.tools.truthy()) {
    out.text("\n\n");
    out.tools();
  } else {
    out.text("<|im_end|>\n");
  }
}

/// The part of an assistant turn with calls that follows "<|im_start|>assistant\n". The template
/// puts the newline before the content and before each call, so the first of them begins with it.
void Qwen25Template::write_calls(TemplateWriter& out, const Row& row, std::size_t index) {
  const Message& message = row.messages[index];
  const bool has_content = message.content.truthy();
  if (has_content) out.content(index);
  if (!message.tool_calls.is_array()) out.refuse(index, "tool_calls is not a list");
  bool first = !has_content;
  for (const JsonValue& call : message.tool_calls.array()) {
    const JsonValue& function = call.get("function").is_undefined() ? call : call.get("function");
    if (!first) out.text("\n");
    first = false;
    out.text("<tool_call>\n{\"name\": \"");
    out.print(function.get("name"), index);
    out.text("\", \"arguments\": ");
    out.json(function.get("arguments"), index);
    out.text("}\n</tool_call>");
  }
}

RenderedRow Qwen25Template::render(const Row& row) const {
  if (row.messages.empty()) throw RowError("no messages: the list is empty");
  TemplateWriter out(row);
  write_system(out, row);
  for (std::size_t i = 0; i < row.messages.size(); ++i) {
    const Message& message = row.messages[i];
    if (message.role == "user" || (message.role == "system" && i != 0)) {
      out.text("<|im_start|>");
      out.text(message.role);
      out.text("\n");
      out.content(i);
      out.text("<|im_end|>\n");
    } else if (message.role == "assistant") {
      out.text("<|im_start|>assistant\n");
      out.begin_output(i);
      if (message.tool_calls.truthy()) {
        write_calls(out, row, i);
      } else {
        out.content(i);
      }
      out.end_turn("<|im_end|>");
      out.text("\n");
    } else if (message.role == "tool") {
      out.tool_response(i, message.content);
    }
  }
  if (row.add_generation_prompt) out.text("<|im_start|>assistant\n");
  return out.finish();
}

}  // namespace

std::unique_ptr<ChatTemplate> make_qwen25_template(Qwen25Release release) {
  return std::make_unique<Qwen25Template>(release);
}

}  // namespace longhaul
