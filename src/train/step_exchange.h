#pragma once

#include <cstdint>
#include <vector>

#include "comm/coordinator.h"

namespace longhaul {

/// What a rank tells the others at the end of each step.
struct RankStep {
  std::int64_t memory_bytes = 0;  // in use on its device
  std::int64_t stop_signal = 0;   // that asked it to stop; 0: none
  double compute_seconds = 0.0;   // of the step, without what it waited for other ranks
};

/// Everyone's, in rank order, on every rank. Collective; one small message.
std::vector<RankStep> exchange_steps(Coordinator& coordinator, const RankStep& mine);

}  // namespace longhaul
