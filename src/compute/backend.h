#pragma once

#include <memory>

#include "compute/device.h"
#include "compute/ops.h"

namespace longhaul {

/// A device and the ops on it: what a backend consists of.
struct Backend {
  std::unique_ptr<Device> device;
  std::unique_ptr<Ops> ops;  // after the device, so that it ends first
};

/// The CPU backend: FP32 throughout, OpenBLAS for matrix products, `threads` OpenMP threads.
Backend make_cpu_backend(int threads);

}  // namespace longhaul
