#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace longhaul {

/// --loss_scale: which turns carry loss, and what changes the weight of parts of them.
struct LossScale {
  enum class Base : std::uint8_t {
    every_turn,  // "default": every assistant turn
    last_round,  // the assistant turns after the last user message
    all          // every token
  };

  Base base = Base::every_turn;
  bool ignore_empty_think = false;  // <think></think> without text, and the space after it: 0
  bool hermes = false;              // <tool_call>...</tool_call>: 2

  friend bool operator==(const LossScale&, const LossScale&) = default;
};

/// "default", "last_round", "all", "ignore_empty_think", "hermes", or a base and modifiers joined
/// by "+": "last_round+ignore_empty_think". A modifier without a base has the base "default".
/// Throws UserError naming --loss_scale and the known words.
LossScale parse_loss_scale(std::string_view text);
/// The canonical spelling: "last_round+ignore_empty_think+hermes".
std::string name_of(const LossScale& scale);

}  // namespace longhaul
