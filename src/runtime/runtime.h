#pragma once

#include <memory>

#include "comm/communicators.h"
#include "comm/coordinator.h"
#include "comm/process_grid.h"
#include "compute/backend.h"
#include "core/log.h"
#include "runtime/communication_timer.h"

namespace longhaul {

/// What every part of a run works with; passed down by reference, owned by the subcommand.
struct Runtime {
  Runtime(const ProcessGrid& grid, Backend& backend, Communicators& comms, Coordinator& coordinator,
          const Log& log)
      : grid(grid),
        backend(backend),
        comms(comms),
        coordinator(coordinator),
        log(log),
        comm_stream(backend.create_stream("gradients")),
        weight_stream(backend.create_stream("weights")),
        layer_stream(backend.create_stream("exchange of a layer")),
        copy_stream(backend.create_stream("copies")),
        exposed_comm(std::make_shared<CommunicationTimer>(backend)) {}

  /// `other` in another layout, for planning: the same streams.
  Runtime(const Runtime& other, const ProcessGrid& grid, Communicators& comms)
      : grid(grid),
        backend(other.backend),
        comms(comms),
        coordinator(other.coordinator),
        log(other.log),
        comm_stream(other.comm_stream),
        weight_stream(other.weight_stream),
        layer_stream(other.layer_stream),
        copy_stream(other.copy_stream),
        exposed_comm(other.exposed_comm) {}

  const ProcessGrid& grid;
  Backend& backend;
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
  std::shared_ptr<CommunicationTimer> exposed_comm;
};

}  // namespace longhaul
