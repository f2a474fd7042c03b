#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "compute/workspace_shape.h"
#include "core/tensor/dtype.h"

namespace longhaul {

enum class DeviceKind : std::uint8_t { cpu, cuda };

/// What plans need to know of a device: the same for the device itself and for a machine that has
/// none. Computing it asks no device.
struct DeviceModel {
  DeviceKind kind = DeviceKind::cpu;
  std::string name;                  // "NVIDIA H200", "cpu"
  DType compute_dtype = DType::f32;  // of weights, activations and their gradients
  /// Bytes of workspace that the ops need for calls up to a shape.
  std::function<std::size_t(const WorkspaceShape&)> workspace_bytes;
};

}  // namespace longhaul
