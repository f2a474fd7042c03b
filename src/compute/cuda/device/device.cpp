#include "compute/cuda/device/device.h"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>

#include "compute/cuda/device/device_choice.h"
#include "core/cuda_check.h"
#include "core/error.h"

namespace longhaul::cuda {
namespace {

// Nothing older has bf16 matrix units.
constexpr int kOldestMajor = 8;

int attribute(int device, cudaDeviceAttr which) {
  int value = 0;
  LONGHAUL_CUDA_CHECK(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

/// From the memory's clock and width, two transfers a cycle; 0 where the driver hides them.
double measured_bandwidth(int device) {
  const double hertz = 1e3 * attribute(device, cudaDevAttrMemoryClockRate);
  const double bytes = attribute(device, cudaDevAttrGlobalMemoryBusWidth) / 8.0;
  return 2.0 * hertz * bytes;
}

}  // namespace

std::optional<std::string> cuda_problem() {
  int count = 0;  // left alone by a call that fails
  cudaError_t result = cudaGetDeviceCount(&count);
  if (result == cudaSuccess && count > 0) return std::nullopt;
  static_cast<void>(cudaGetLastError());
  if (result == cudaSuccess) result = cudaErrorNoDevice;
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  return unusable_cuda_text(result, cudaGetErrorString(result), driver, runtime);
}

DeviceInfo device_info(int device) {
  cudaDeviceProp properties{};
  LONGHAUL_CUDA_CHECK(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  DeviceInfo info;
  info.device = device;
  info.name = properties.name;
  info.uuid = uuid_text(std::span<const std::uint8_t, 16>(
      reinterpret_cast<const std::uint8_t*>(properties.uuid.bytes), 16));
  info.major = properties.major;
  info.minor = properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  info.memory_bytes = properties.totalGlobalMem;
  info.l2_bytes = static_cast<std::size_t>(properties.l2CacheSize);
  const DevicePeak peak = device_peak(info.name);
  info.bf16_flops = peak.bf16_flops;
  info.memory_bandwidth =
      peak.memory_bandwidth > 0.0 ? peak.memory_bandwidth : measured_bandwidth(device);
  return info;
}

std::vector<DeviceInfo> visible_device_infos() {
  int count = 0;
  LONGHAUL_CUDA_CHECK(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  std::vector<DeviceInfo> devices;
  for (int device = 0; device < count; ++device) devices.push_back(device_info(device));
  return devices;
}

void check_supported(const DeviceInfo& device) {
  const std::string_view built = LONGHAUL_CUDA_ARCHITECTURES;
  const bool supported =
      device.major >= kOldestMajor && architectures_include(built, device.major, device.minor);
  if (supported) return;
  user_error(
      "{} has compute capability {}.{}, and this program was built for {} (90a: H100, H200, "
      "GH200); use such a GPU, or --backend cpu",
      device.name, device.major, device.minor, built);
}

void open_device(const DeviceInfo& device) {
  cudaError_t result = cudaSetDevice(device.device);
  if (result == cudaSuccess) result = cudaFree(nullptr);
  if (result == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  user_error(
      "GPU {} ({}, {}) cannot be opened: {}. Another process may hold it or its memory; see "
      "nvidia-smi",
      device.device, device.name, device.uuid, cudaGetErrorString(result));
}

}  // namespace longhaul::cuda
