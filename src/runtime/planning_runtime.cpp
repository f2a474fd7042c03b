#include "runtime/planning_runtime.h"

#include <utility>

#include "comm/planning_communicators.h"

namespace longhaul {

PlanningRuntime::PlanningRuntime(DeviceModel device, const ProcessGrid& grid)
    : grid_(grid),
      device_(std::move(device)),
      comms_(make_planning_communicators(grid_)),
      coordinator_(make_solo_coordinator()),
      log_(grid.rank(), coordinator_->host()),
      runtime_(grid_, device_, comms_, *coordinator_, log_) {}

}  // namespace longhaul
