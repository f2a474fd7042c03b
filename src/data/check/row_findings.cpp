#include "data/check/row_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <unordered_set>

namespace longhaul {
namespace {

/// Text that the template writes itself around every message, or that ends the whole stream.
constexpr std::array<std::string_view, 3> kMarkers{"<|im_start|>", "<|im_end|>", "<|endoftext|>"};
constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

class Findings {
 public:
  void add(std::string kind, std::string detail) {
    const bool known = std::any_of(found_.begin(), found_.end(),
                                   [&](const RowFinding& f) { return f.kind == kind; });
    if (!known) found_.push_back({std::move(kind), std::move(detail)});
  }
  [[nodiscard]] std::vector<RowFinding>& all() { return found_; }

 private:
  std::vector<RowFinding> found_;
};

std::string place(const Row& row, std::size_t index) {
  return fmt::format("messages[{}] ({})", index, row.messages[index].role);
}

std::string_view text_of(const JsonValue& value) {
  return value.is_string() ? std::string_view(value.text()) : std::string_view();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The name of a tool as the model is told it; nothing for one without a name.
std::optional<std::string> tool_name(const JsonValue& tool) {
  const JsonValue& function = tool.get("function").is_object() ? tool.get("function") : tool;
  const JsonValue& name = function.get("name");
  return name.is_string() ? std::optional(name.text()) : std::nullopt;
}

std::unordered_set<std::string> check_tools(const Row& row, Findings& findings) {
  std::unordered_set<std::string> names;
  for (std::size_t i = 0; i < row.tools.array().size(); ++i) {
    const std::optional<std::string> name = tool_name(row.tools.array()[i]);
    if (!name) {
      findings.add("a tool has no name", fmt::format("tools[{}]", i));
    } else if (!names.insert(*name).second) {
      findings.add("two tools have one name", fmt::format("tools[{}]: \"{}\"", i, *name));
    }
  }
  return names;
}

void check_text(const Row& row, std::size_t index, Findings& findings) {
  const Message& message = row.messages[index];
  for (const JsonValue* value : {&message.content, &message.reasoning_content}) {
    const std::string_view text = text_of(*value);
    for (const std::string_view marker : kMarkers) {
      if (contains(text, marker)) {
        findings.add(fmt::format("{} text contains \"{}\"", message.role, marker),
                     place(row, index));
      }
    }
    if (contains(text, kReplacementCharacter)) {
      findings.add("text contains U+FFFD, what broken characters become", place(row, index));
    }
  }
}

void check_calls(const Row& row, std::size_t index, const std::unordered_set<std::string>& tools,
                 Findings& findings) {
  const Message& message = row.messages[index];
  if (!message.tool_calls.is_array()) return;
  for (std::size_t i = 0; i < message.tool_calls.array().size(); ++i) {
    const JsonValue& call = message.tool_calls.array()[i];
    const std::string& name = call.get("name").text();
    const auto detail = [&] {
      return fmt::format("{}.tool_calls[{}]: \"{}\"", place(row, index), i, name);
    };
    if (tools.empty()) {
      findings.add("a tool is called, but the row has no tools", detail());
    } else if (!tools.contains(name)) {
      findings.add("a tool is called that is not among the row's tools", detail());
    }
    if (!call.get("arguments").is_object()) {
      findings.add("the arguments of a call are not an object", detail());
    }
  }
}

void check_assistant(const Row& row, std::size_t index, Findings& findings) {
  const Message& message = row.messages[index];
  const std::string_view content = text_of(message.content);
  const std::string_view reasoning = text_of(message.reasoning_content);
  const bool blank = content.find_first_not_of(" \t\r\n") == std::string_view::npos;
  if (blank && reasoning.empty() && !message.tool_calls.is_array()) {
    findings.add("an assistant message is empty", place(row, index));
  }
  if (!reasoning.empty() && contains(content, "</think>")) {
    findings.add("an assistant message has reasoning_content and </think> in its content",
                 place(row, index));
  }
}

/// Does a result at `index` answer a call, made as tool_calls or written into the text?
bool follows_call(const Row& row, std::size_t index) {
  while (index > 0 && row.messages[index].role == "tool") --index;
  const Message& message = row.messages[index];
  if (message.role != "assistant") return false;
  return message.tool_calls.is_array() || contains(text_of(message.content), "<tool_call>");
}

void check_order(const Row& row, Findings& findings) {
  for (std::size_t i = 0; i < row.messages.size(); ++i) {
    if (row.messages[i].role == "tool" && !follows_call(row, i)) {
      findings.add("a tool result follows no call", place(row, i));
    }
  }
  if (row.messages.back().role == "user") {
    findings.add("the conversation ends with a user message", place(row, row.messages.size() - 1));
  }
}

void check_loss(const Row& row, Findings& findings) {
  const auto is_assistant = [](const Message& m) { return m.role == "assistant"; };
  if (std::none_of(row.messages.begin(), row.messages.end(), is_assistant)) {
    findings.add("there is no assistant message", "");
  } else if (std::none_of(row.messages.begin(), row.messages.end(), [&](const Message& m) {
               return is_assistant(m) && m.loss.value_or(1.0F) != 0.0F;
             })) {
    findings.add("every assistant message has loss 0", "");
  }
}

}  // namespace

std::vector<RowFinding> find_suspicious(const Row& row) {
  Findings findings;
  const std::unordered_set<std::string> tools = check_tools(row, findings);
  for (std::size_t i = 0; i < row.messages.size(); ++i) {
    check_text(row, i, findings);
    check_calls(row, i, tools, findings);
    if (row.messages[i].role == "assistant") check_assistant(row, i, findings);
  }
  check_order(row, findings);
  check_loss(row, findings);
  return std::move(findings.all());
}

}  // namespace longhaul
