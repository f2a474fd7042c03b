#include "data/template/thinking_policy.h"

namespace longhaul {

ThinkingPolicy parse_thinking_policy(std::string_view text) {
  return parse_choice("thinking", text, kThinkingPolicies);
}

std::string_view name_of(ThinkingPolicy policy) { return name_in(kThinkingPolicies, policy); }

}  // namespace longhaul
