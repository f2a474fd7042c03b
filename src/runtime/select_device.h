#pragma once

#include "comm/coordinator.h"
#include "compute/cuda/device/device.h"

namespace longhaul::cuda {

/// Chooses the GPU of every rank (choose_device() says how), makes it the process's current device
/// and opens it. Collective; what is wrong on one rank is a CollectiveError on all.
DeviceInfo select_device(Coordinator& coordinator, int ranks_per_gpu);

}  // namespace longhaul::cuda
