#pragma once

#include "comm/communicator.h"
#include "comm/coordinator.h"
#include "comm/process_grid.h"
#include "compute/backend.h"
#include "core/log.h"

namespace longhaul {

/// What every part of a run works with; passed down by reference, owned by the subcommand.
struct Runtime {
  const ProcessGrid& grid;
  Backend& backend;
  Communicators& comms;
  Coordinator& coordinator;
  const Log& log;
  /// Reductions of gradients and gathering of weights run here, beside computing.
  Stream comm_stream;
  /// K and V are gathered over CP here, so that they need not queue behind a layer's gradients.
  Stream gather_stream;
  /// Copies between host and device that run beside computing.
  Stream copy_stream;
};

}  // namespace longhaul
