#include "data/template/thinking_policy.h"

#include "core/error.h"

namespace longhaul {

ThinkingPolicy parse_thinking_policy(std::string_view text) {
  for (const ThinkingPolicy policy :
       {ThinkingPolicy::as_template, ThinkingPolicy::keep, ThinkingPolicy::strip_history}) {
    if (text == name_of(policy)) return policy;
  }
  user_error("--thinking {}: unknown; known: as_template, keep, strip_history", text);
}

std::string_view name_of(ThinkingPolicy policy) {
  switch (policy) {
    case ThinkingPolicy::as_template:
      return "as_template";
    case ThinkingPolicy::keep:
      return "keep";
    case ThinkingPolicy::strip_history:
      return "strip_history";
  }
  return "?";
}

}  // namespace longhaul
