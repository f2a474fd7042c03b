#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/options/choices.h"

namespace longhaul {

/// --thinking: what becomes of the reasoning of earlier turns, in templates of models that think
/// (Qwen3).
enum class ThinkingPolicy : std::uint8_t {
  as_template,   // what the template dialect does
  keep,          // every turn keeps its reasoning
  strip_history  // turns before the last user message lose theirs, whatever carries loss
};

inline constexpr std::array<Choice<ThinkingPolicy>, 3> kThinkingPolicies{
    {{ThinkingPolicy::as_template, "as_template"},
     {ThinkingPolicy::keep, "keep"},
     {ThinkingPolicy::strip_history, "strip_history"}}};

/// Throws UserError naming --thinking and its choices for anything but these names.
ThinkingPolicy parse_thinking_policy(std::string_view text);
std::string_view name_of(ThinkingPolicy policy);

}  // namespace longhaul
