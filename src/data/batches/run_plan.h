#pragma once

#include <cstdint>
#include <optional>

#include "comm/process_grid.h"
#include "data/batches/packing.h"
#include "data/batches/step_schedule.h"

namespace longhaul {

/// How a run goes through its packs.
struct RunPlan {
  std::int64_t global_bs = 1;
  std::int64_t micro_bs = 1;
  std::optional<std::int64_t> epochs;       // neither given: one epoch
  std::optional<std::int64_t> train_iters;  // both given: whichever ends first
  ParallelLayout layout;
};

/// The schedule that training follows: the one way from a run's settings to its steps.
ScheduleOptions training_schedule(const RunPlan& run, PackingMode packing, std::uint64_t seed);

}  // namespace longhaul
