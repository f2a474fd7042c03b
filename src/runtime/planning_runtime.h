#pragma once

#include <memory>

#include "compute/planning_device.h"
#include "runtime/runtime.h"

namespace longhaul {

/// A rank of a layout that is planned, not running, on a device that need not be there: components
/// may be constructed on a measuring arena. Cheap, and nothing is left behind.
class PlanningRuntime {
 public:
  PlanningRuntime(DeviceModel device, const ProcessGrid& grid);
  PlanningRuntime(const PlanningRuntime&) = delete;
  PlanningRuntime& operator=(const PlanningRuntime&) = delete;

  [[nodiscard]] Runtime& runtime() { return runtime_; }

 private:
  ProcessGrid grid_;
  PlanningDevice device_;
  Communicators comms_;
  std::unique_ptr<Coordinator> coordinator_;
  Log log_;
  Runtime runtime_;
};

}  // namespace longhaul
