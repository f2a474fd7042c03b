#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compute/cuda/device/nvml.h"

namespace longhaul::cuda {

/// A GPU of this host, as NVIDIA's management library describes it.
struct InstalledDevice {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::string uuid;  // "GPU-..."
  std::int64_t memory_bytes = 0;
  std::int64_t memory_free = 0;
};

struct DeviceInventory {
  std::string driver;  // "570.86.15"; empty when there is none
  std::vector<InstalledDevice> devices;
};

/// The GPUs that this process may use: those of the host, or those that CUDA_VISIBLE_DEVICES
/// names. Takes milliseconds and opens no GPU; works without CUDA. Empty without a driver.
DeviceInventory device_inventory(const char* library = kNvmlLibrary);

/// What a value of CUDA_VISIBLE_DEVICES leaves of the devices: numbers, or beginnings of UUIDs; the
/// first entry that fits none ends the list, as CUDA has it.
std::vector<InstalledDevice> visible_devices(const std::vector<InstalledDevice>& devices,
                                             std::string_view environment);

}  // namespace longhaul::cuda
