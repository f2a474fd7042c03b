#include "comm/named_groups.h"

#include <algorithm>
#include <numeric>

namespace longhaul {

std::vector<NamedGroup> named_groups(const Communicators& comms, const ProcessGrid& grid) {
  std::vector<int> world(static_cast<std::size_t>(grid.world()));
  std::iota(world.begin(), world.end(), 0);
  std::vector<NamedGroup> groups;
  for (NamedGroup group : {NamedGroup{"tp", comms.tp.get(), grid.tp_group()},
                           NamedGroup{"cp", comms.cp.get(), grid.cp_group()},
                           NamedGroup{"dp", comms.dp.get(), grid.dp_group()},
                           NamedGroup{"dp_cp", comms.dp_cp.get(), grid.dp_cp_group()},
                           NamedGroup{"world", comms.world.get(), world}}) {
    if (group.ranks.size() < 2) continue;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const NamedGroup& other) {
      return other.ranks == group.ranks;
    });
    if (same == groups.end()) {
      groups.push_back(std::move(group));
    } else {
      same->name += " = " + group.name;
    }
  }
  return groups;
}

}  // namespace longhaul
