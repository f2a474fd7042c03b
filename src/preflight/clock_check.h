#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/coordinator.h"
#include "preflight/check_list.h"

namespace longhaul::preflight {

/// How far the clock of a rank's host is ahead of rank 0's.
struct ClockOffset {
  double seconds = 0.0;
  double uncertainty = 0.0;  // half the fastest round trip
  bool measured = false;     // one rank of each host is asked
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ClockOffset, seconds, uncertainty, measured)

/// Collective: rank 0 sends its time to and fro with the first rank of every other host, several
/// times, and takes the fastest round trip. `world`: all ranks, host memory. Each rank gets its
/// own offset.
ClockOffset compare_clocks(Coordinator& coordinator, Communicator& world);

Verdict judge_clocks(const std::vector<Seen<ClockOffset>>& all);

}  // namespace longhaul::preflight
