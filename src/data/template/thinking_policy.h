#pragma once

#include <cstdint>
#include <string_view>

namespace longhaul {

/// --thinking: what becomes of the reasoning of earlier turns, in templates of models that think
/// (Qwen3).
enum class ThinkingPolicy : std::uint8_t {
  as_template,   // what the template dialect does
  keep,          // every turn keeps its reasoning
  strip_history  // turns before the last user message lose theirs, whatever carries loss
};

/// "as_template", "keep" or "strip_history". Throws UserError naming --thinking and these.
ThinkingPolicy parse_thinking_policy(std::string_view text);
std::string_view name_of(ThinkingPolicy policy);

}  // namespace longhaul
