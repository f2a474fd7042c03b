#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/template/chat_template.h"
#include "data/template/turn_text.h"

namespace longhaul {

/// A turn as ms-swift sees it: neighbouring messages of one role are one turn.
struct SwiftTurn {
  enum class Role : std::uint8_t { system, user, assistant, tool };
  Role role = Role::user;
  TurnText text;                     // of the others than tool
  std::vector<std::string> results;  // of a tool turn, one a message
  bool in_answer = false;            // tool: the results go on in the assistant's text (ReAct form)
};

/// The turns of a row without its first system message, reasoning written and removed as the
/// dialect does. thinks: the model's template knows <think>.
std::vector<SwiftTurn> swift_turns(const Row& row, const TemplateOptions& options, bool thinks);

/// Index of the last user turn, or -1.
std::ptrdiff_t last_user_turn(const std::vector<SwiftTurn>& turns);

/// What in the order of the turns makes ms-swift drop the row; empty when nothing does.
std::string why_swift_drops(const std::vector<SwiftTurn>& turns);

}  // namespace longhaul
