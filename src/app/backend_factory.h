#pragma once

#include <mpi.h>

#include <memory>

#include "comm/communicators.h"
#include "comm/coordinator.h"
#include "comm/process_grid.h"
#include "compute/backend.h"
#include "core/log.h"
#include "train/train_options.h"

namespace longhaul {

/// The backend that --backend asks for: "auto" is CUDA when this program has it and the host has a
/// usable GPU. Collective: all ranks get the same kind, or the same error.
Backend make_backend(const TrainOptions& options, Coordinator& coordinator, const Log& log);

/// Groups that move this backend's tensors: NCCL for device memory, MPI for host memory.
/// Collective over `world`.
Communicators make_communicators(const Device& device, MPI_Comm world, Coordinator& coordinator,
                                 const ProcessGrid& grid, const TrainOptions& options,
                                 const Log& log);

/// From now on the host looks for errors of these groups while it waits for the device: a peer that
/// has failed would let it wait for ever. `progress` learns of such waits. Both must outlive all
/// waiting, and `comms` must not move.
void poll_communication(Device& device, const Communicators& comms, ProgressRecord& progress);

/// Keeps what the ops have learned for later runs; a failure is a warning. On one rank.
void save_learned(Ops& ops, const Log& log);

}  // namespace longhaul
