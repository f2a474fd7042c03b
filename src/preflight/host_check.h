#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// Where a rank runs.
struct HostFact {
  std::string boot_id;                 // the kernel's, another one after each boot
  std::vector<std::string> addresses;  // "eth0 10.0.0.1": interfaces that are up, loopback last
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HostFact, boot_id, addresses)

HostFact look_at_host();

/// Lists hosts with their addresses and ranks; warns when two machines have one name.
Verdict judge_hosts(const std::vector<Seen<HostFact>>& all);

}  // namespace longhaul::preflight
