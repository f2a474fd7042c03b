#pragma once

#include <memory>
#include <optional>
#include <string>

#include "compute/cuda/device/nvml.h"

namespace longhaul::cuda {

/// What a GPU says of itself at one moment; 0 where the driver does not tell.
struct DeviceSample {
  int sm_clock_mhz = 0;
  int memory_clock_mhz = 0;
  double power_w = 0.0;
  int temperature_c = 0;
};

/// Reads clocks, power and temperature of one GPU through NVIDIA's management library. The library
/// comes with the driver and is opened at run time, so that the program starts without it; without
/// it, or when it does not know the GPU, there are no samples. A sample takes well under a
/// millisecond and does not disturb the GPU. One thread at a time.
class DeviceMonitor {
 public:
  /// uuid: DeviceInfo::uuid. CUDA's device numbers are not the library's.
  explicit DeviceMonitor(const std::string& uuid, const char* library = kNvmlLibrary);
  ~DeviceMonitor();
  DeviceMonitor(DeviceMonitor&&) noexcept;
  DeviceMonitor& operator=(DeviceMonitor&&) noexcept;
  DeviceMonitor(const DeviceMonitor&) = delete;
  DeviceMonitor& operator=(const DeviceMonitor&) = delete;

  [[nodiscard]] std::optional<DeviceSample> sample() const;

 private:
  class Library;
  std::unique_ptr<Library> library_;  // null when there are no samples
};

}  // namespace longhaul::cuda
