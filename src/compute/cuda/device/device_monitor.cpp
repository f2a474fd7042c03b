#include "compute/cuda/device/device_monitor.h"

#include "compute/cuda/device/nvml.h"

namespace longhaul::cuda {
namespace {

constexpr int kNvmlClockSm = 1;
constexpr int kNvmlClockMemory = 2;
constexpr int kNvmlTemperatureGpu = 0;

}  // namespace

class DeviceMonitor::Library {
 public:
  /// Null when anything of it is missing.
  static std::unique_ptr<Library> open(const std::string& uuid, const char* name) {
    std::unique_ptr<Library> library(new Library);
    return library->load(uuid, name) ? std::move(library) : nullptr;
  }

  [[nodiscard]] std::optional<DeviceSample> sample() const {
    unsigned sm_clock = 0;
    unsigned memory_clock = 0;
    unsigned milliwatts = 0;
    unsigned celsius = 0;
    bool any = false;
    // A virtual machine may be told some of them only.
    const auto read = [&any](int result, unsigned* value) {
      if (result == kNvmlSuccess) {
        any = true;
      } else {
        *value = 0;
      }
    };
    read(clock_(device_, kNvmlClockSm, &sm_clock), &sm_clock);
    read(clock_(device_, kNvmlClockMemory, &memory_clock), &memory_clock);
    read(power_(device_, &milliwatts), &milliwatts);
    read(temperature_(device_, kNvmlTemperatureGpu, &celsius), &celsius);
    if (!any) return std::nullopt;
    return DeviceSample{static_cast<int>(sm_clock), static_cast<int>(memory_clock),
                        milliwatts / 1e3, static_cast<int>(celsius)};
  }

 private:
  Library() = default;

  bool load(const std::string& uuid, const char* name) {
    nvml_ = Nvml::open(name);
    int (*device_of_uuid)(const char*, NvmlDevice*) = nullptr;
    return nvml_ != nullptr && nvml_->find(&device_of_uuid, "nvmlDeviceGetHandleByUUID") &&
           nvml_->find(&clock_, "nvmlDeviceGetClockInfo") &&
           nvml_->find(&temperature_, "nvmlDeviceGetTemperature") &&
           nvml_->find(&power_, "nvmlDeviceGetPowerUsage") &&
           device_of_uuid(uuid.c_str(), &device_) == kNvmlSuccess;
  }

  std::unique_ptr<Nvml> nvml_;
  NvmlDevice device_ = nullptr;
  int (*clock_)(NvmlDevice, int type, unsigned* mhz) = nullptr;
  int (*temperature_)(NvmlDevice, int sensor, unsigned* celsius) = nullptr;
  int (*power_)(NvmlDevice, unsigned* milliwatts) = nullptr;
};

DeviceMonitor::DeviceMonitor(const std::string& uuid, const char* library)
    : library_(Library::open(uuid, library)) {}
DeviceMonitor::~DeviceMonitor() = default;
DeviceMonitor::DeviceMonitor(DeviceMonitor&&) noexcept = default;
DeviceMonitor& DeviceMonitor::operator=(DeviceMonitor&&) noexcept = default;

std::optional<DeviceSample> DeviceMonitor::sample() const {
  return library_ == nullptr ? std::nullopt : library_->sample();
}

}  // namespace longhaul::cuda
