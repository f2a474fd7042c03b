#include "compute/cuda/device/cuda_device.h"

#include <nvtx3/nvToolsExt.h>

namespace longhaul::cuda {

CudaDevice::CudaDevice(const DeviceInfo& info, DeviceModel model, std::string remark)
    : info_(info),
      model_(std::move(model)),
      remark_(std::move(remark)),
      monitor_(info.uuid),
      stream_(0) {}

CudaDevice::~CudaDevice() { cudaStreamSynchronize(stream_.get()); }

std::optional<Device::Health> CudaDevice::health() const {
  const auto sample = monitor_.sample();
  if (!sample) return std::nullopt;
  return Health{sample->sm_clock_mhz, sample->power_w, sample->temperature_c};
}

void CudaDevice::begin_range(const char* name) { nvtxRangePushA(name); }
void CudaDevice::end_range() { nvtxRangePop(); }

std::string CudaDevice::describe() const {
  return fmt::format("{} ({} SMs, {:.0f} GiB), {}", info_.name, info_.multiprocessors,
                     static_cast<double>(info_.memory_bytes) / (std::int64_t{1} << 30), remark_);
}

}  // namespace longhaul::cuda
