#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "comm/named_groups.h"
#include "compute/backend.h"
#include "preflight/check_list.h"

namespace longhaul::preflight {

/// How fast an all-reduce over one of a rank's groups was.
struct GroupSpeed {
  std::string name;        // "tp", "dp_cp = weights"
  std::vector<int> ranks;  // of the group
  double bytes = 0.0;
  double seconds = 0.0;  // the fastest of some calls
  /// Bus bandwidth as nccl-tests define it, bytes/s: what each rank moves.
  [[nodiscard]] double bus_bandwidth() const;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(GroupSpeed, name, ranks, bytes, seconds)

using GroupSpeeds = std::vector<GroupSpeed>;

/// Collective: an all-reduce over every group, all groups of a kind at once as in training, with as
/// many bytes as take a moment. Each rank gets the speeds of its own groups.
GroupSpeeds measure_groups(Backend& backend, Coordinator& coordinator,
                           const std::vector<NamedGroup>& groups);

/// Lists the speeds; warns of a group that is `factor` times slower than the other groups of its
/// kind are on the median, naming its hosts.
Verdict judge_groups(const std::vector<Seen<GroupSpeeds>>& all, double factor);

/// For judge_groups(): ranks that share cores disturb each other more than GPUs do.
double slow_group_factor(const Backend& backend);

}  // namespace longhaul::preflight
