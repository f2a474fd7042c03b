#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace longhaul::cuda {

/// One GPU, for the log, the memory plan and MFU.
struct DeviceInfo {
  int device = 0;    // number among the GPUs that this process sees
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::string uuid;  // "GPU-...", as in nvidia-smi -L
  int major = 0;     // compute capability 9.0: 9
  int minor = 0;     //                         0
  int multiprocessors = 0;
  std::size_t memory_bytes = 0;
  std::size_t l2_bytes = 0;
  double bf16_flops = 0.0;        // dense peak, FLOP/s; 0 when unknown
  double memory_bandwidth = 0.0;  // peak, bytes/s; 0 when unknown
};

/// Why this process cannot use CUDA at all (no driver, too old a driver, no GPU), and what to do;
/// nothing when it can. Creates no context.
std::optional<std::string> cuda_problem();

/// Creates no context. Throws InternalError when there is no such device.
DeviceInfo device_info(int device);

/// All GPUs that this process sees. Creates no context.
std::vector<DeviceInfo> visible_device_infos();

/// Can this program's kernels run on it? Throws UserError when not.
void check_supported(const DeviceInfo& device);

/// Makes it the process's current device and creates its context. Throws UserError when it cannot.
void open_device(const DeviceInfo& device);

}  // namespace longhaul::cuda
