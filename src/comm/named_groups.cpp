#include "comm/named_groups.h"

#include <fmt/format.h>

#include <algorithm>

namespace longhaul {

std::vector<NamedGroup> named_groups(const Communicators& comms, const ProcessGrid& grid) {
  std::vector<NamedGroup> groups;
  for (const Group group : kTensorGroups) {
    std::vector<int> ranks = grid.members(group);
    if (ranks.size() < 2) continue;
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const NamedGroup& other) { return other.ranks == ranks; });
    if (same == groups.end()) {
      groups.push_back({name_of(group), &comms[group], std::move(ranks)});
    } else {
      same->name += fmt::format(" = {}", name_of(group));
    }
  }
  return groups;
}

}  // namespace longhaul
