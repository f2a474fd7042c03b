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
  /// Collectives that overlap with computing are issued here.
  Stream comm_stream;
};

}  // namespace longhaul
