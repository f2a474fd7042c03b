#include "data/template/swift_turns.h"

#include "data/json/json_print.h"
#include "data/json/python_text.h"

namespace longhaul {
namespace {

using Role = SwiftTurn::Role;

constexpr std::string_view kThinkEnd = "</think>";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Role role_of(const Message& message) {
  if (message.role == "system") return Role::system;
  if (message.role == "user") return Role::user;
  return message.role == "tool" ? Role::tool : Role::assistant;
}

/// What an assistant message says: its reasoning, its content and its calls.
std::string answer(const Message& message, bool thinks) {
  std::string text;
  std::string_view content = message.content.text();
  if (thinks && message.reasoning_content.is_string() &&
      !message.reasoning_content.text().empty()) {
    std::string_view reasoning = message.reasoning_content.text();
    reasoning.remove_prefix(std::min(reasoning.find_first_not_of('\n'), reasoning.size()));
    reasoning = reasoning.substr(0, reasoning.find_last_not_of('\n') + 1);
    content.remove_prefix(std::min(content.find_first_not_of('\n'), content.size()));
    text.append("<think>\n").append(reasoning).append("\n</think>\n\n");
  }
  text += content;
  if (!message.tool_calls.is_array()) return text;
  bool first = true;
  for (const JsonValue& call : message.tool_calls.array()) {
    if (!first) text += '\n';
    first = false;
    text += "<tool_call>\n";
    append_json(text, call);
    text += "\n</tool_call>";
  }
  return text;
}

/// Actions that an assistant describes in the ReAct form are answered within its own text.
void join_observation(SwiftTurn& assistant, SwiftTurn& tool) {
  constexpr std::string_view kObservation = "Observation:";
  if (!contains(assistant.text.text(), "Action:") ||
      !contains(assistant.text.text(), "Action Input:")) {
    return;
  }
  tool.in_answer = true;
  if (assistant.text.text().ends_with(kObservation)) return;
  const std::size_t message = assistant.text.parts().back().message;
  if (!assistant.text.text().ends_with("\n")) assistant.text.append("\n", message);
  assistant.text.append(kObservation, message);
}

/// 3.13 begins every answer that does not think with an empty thought.
void add_empty_thoughts(std::vector<SwiftTurn>& turns, std::ptrdiff_t first) {
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].role != Role::assistant || static_cast<std::ptrdiff_t>(i) < first) continue;
    const std::string& text = turns[i].text.text();
    if (text.compare(0, 7, "<think>") != 0) turns[i].text.prepend("<think>\n\n</think>\n\n");
  }
}

/// Removes what the assistant turns before `end` thought, and the white space around the rest.
void remove_thoughts(std::vector<SwiftTurn>& turns, std::ptrdiff_t end) {
  for (std::ptrdiff_t i = 0; i < end; ++i) {
    SwiftTurn& turn = turns[static_cast<std::size_t>(i)];
    if (turn.role != Role::assistant) continue;
    const std::string_view text = turn.text.text();
    const std::size_t think_end = text.rfind(kThinkEnd);
    const std::string_view rest = python_strip(
        think_end == std::string_view::npos ? text : text.substr(think_end + kThinkEnd.size()));
    turn.text.cut(static_cast<std::size_t>(rest.data() - text.data()), rest.size());
  }
}

void apply_thinking(std::vector<SwiftTurn>& turns, const TemplateOptions& options) {
  const LossScale& loss = options.loss_scale;
  const bool last_round = loss.base == LossScale::Base::last_round;
  const std::ptrdiff_t last_user = last_user_turn(turns);
  bool remove = options.thinking == ThinkingPolicy::strip_history;
  if (options.mode == TemplateMode::swift_3_13) {
    add_empty_thoughts(turns, last_round ? last_user : -1);
    if (options.thinking == ThinkingPolicy::as_template) remove = last_round;
    if (remove) remove_thoughts(turns, last_user);
    return;
  }
  // 3.7 goes by the policy's name: with a modifier beside last_round it keeps what was thought.
  if (options.thinking == ThinkingPolicy::as_template) {
    remove = last_round && !loss.ignore_empty_think && !loss.hermes;
  }
  if (remove) remove_thoughts(turns, static_cast<std::ptrdiff_t>(turns.size()) - 1);
}

}  // namespace

std::vector<SwiftTurn> swift_turns(const Row& row, const TemplateOptions& options, bool thinks) {
  std::vector<SwiftTurn> turns;
  for (std::size_t i = 0; i < row.messages.size(); ++i) {
    const Message& message = row.messages[i];
    const Role role = role_of(message);
    if (i == 0 && role == Role::system) continue;
    const bool same = !turns.empty() && turns.back().role == role && role != Role::system;
    if (role == Role::tool) {
      if (!same) {
        turns.push_back({.role = role});
        if (turns.size() > 1 && turns[turns.size() - 2].role == Role::assistant) {
          join_observation(turns[turns.size() - 2], turns.back());
        }
      }
      turns.back().results.push_back(message.content.text());
      continue;
    }
    if (!same) turns.push_back({.role = role});
    // That stack knows the joined turn by its first message.
    const std::size_t known_as =
        options.strict_parity && same ? turns.back().text.parts().front().message : i;
    turns.back().text.append(
        role == Role::assistant ? answer(message, thinks) : message.content.text(), known_as);
  }
  if (thinks) apply_thinking(turns, options);
  return turns;
}

std::ptrdiff_t last_user_turn(const std::vector<SwiftTurn>& turns) {
  for (std::size_t i = turns.size(); i-- > 0;) {
    if (turns[i].role == Role::user) return static_cast<std::ptrdiff_t>(i);
  }
  return -1;
}

std::string why_swift_drops(const std::vector<SwiftTurn>& turns) {
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const Role role = turns[i].role;
    const bool after_assistant = i > 0 && turns[i - 1].role == Role::assistant;
    if (role == Role::system) return "a system message that is not the first";
    if (role == Role::tool && i == 0) return "a tool result that begins the conversation";
    if (role == Role::tool && !after_assistant) return "a tool result right after a user message";
    if (role == Role::user && i > 0 && !after_assistant) {
      return "a user message right after a tool result";
    }
  }
  return {};
}

}  // namespace longhaul
