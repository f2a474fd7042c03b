#pragma once

#include <memory>

#include "comm/communicators.h"
#include "comm/coordinator.h"
#include "comm/process_grid.h"
#include "compute/backend.h"
#include "core/error.h"
#include "core/log.h"
#include "runtime/communication_timer.h"

namespace longhaul {

/// What every part of a run works with; passed down by reference, owned by the subcommand.
class Runtime {
 public:
  Runtime(const ProcessGrid& grid, Backend& backend, Communicators& comms, Coordinator& coordinator,
          const Log& log)
      : Runtime(grid, *backend.device, backend.ops.get(), comms, coordinator, log) {}

  /// For planning: components may be constructed on a measuring arena, and nothing can run. The
  /// device: usually a PlanningDevice.
  Runtime(const ProcessGrid& grid, Device& device, Communicators& comms, Coordinator& coordinator,
          const Log& log)
      : Runtime(grid, device, nullptr, comms, coordinator, log) {}

  [[nodiscard]] Ops& ops() const {
    LONGHAUL_CHECK(ops_ != nullptr, "a runtime for planning has no ops");
    return *ops_;
  }

  const ProcessGrid& grid;
  Device& device;
  Communicators& comms;
  Coordinator& coordinator;
  const Log& log;
  /// Gradients are reduced here, beside computing.
  Stream comm_stream;
  /// Weights are gathered here, beside computing: they need not queue behind gradients.
  Stream weight_stream;
  /// What the ranks of a TP or CP group exchange inside a layer, so that it need not queue behind
  /// a layer's gradients.
  Stream layer_stream;
  /// Copies between host and device that run beside computing.
  Stream copy_stream;
  /// Measures what of the exchange nothing hides.
  std::unique_ptr<CommunicationTimer> exposed_comm;

 private:
  Runtime(const ProcessGrid& grid, Device& device, Ops* ops, Communicators& comms,
          Coordinator& coordinator, const Log& log)
      : grid(grid),
        device(device),
        comms(comms),
        coordinator(coordinator),
        log(log),
        comm_stream(device.create_stream("gradients")),
        weight_stream(device.create_stream("weights")),
        layer_stream(device.create_stream("exchange of a layer")),
        copy_stream(device.create_stream("copies")),
        exposed_comm(std::make_unique<CommunicationTimer>(device)),
        ops_(ops) {}

  Ops* ops_;
};

}  // namespace longhaul
