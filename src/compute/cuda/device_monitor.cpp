#include "compute/cuda/device_monitor.h"

#include <dlfcn.h>

namespace longhaul::cuda {
namespace {

// The few declarations of the management library (NVML) that are used here; its header does not
// come with every CUDA Toolkit. Its interface is stable: functions are versioned by their names.
using NvmlDevice = void*;
constexpr int kNvmlSuccess = 0;
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

  ~Library() {
    if (initialised_) shutdown_();
    if (handle_ != nullptr) dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

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

  template <typename Function>
  bool find(Function* function, const char* name) {
    *function = reinterpret_cast<Function>(dlsym(handle_, name));
    return *function != nullptr;
  }

  bool load(const std::string& uuid, const char* name) {
    handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) return false;
    int (*initialise)() = nullptr;
    int (*device_of_uuid)(const char*, NvmlDevice*) = nullptr;
    if (!find(&initialise, "nvmlInit_v2") || !find(&shutdown_, "nvmlShutdown") ||
        !find(&device_of_uuid, "nvmlDeviceGetHandleByUUID") ||
        !find(&clock_, "nvmlDeviceGetClockInfo") ||
        !find(&temperature_, "nvmlDeviceGetTemperature") ||
        !find(&power_, "nvmlDeviceGetPowerUsage")) {
      return false;
    }
    initialised_ = initialise() == kNvmlSuccess;
    return initialised_ && device_of_uuid(uuid.c_str(), &device_) == kNvmlSuccess;
  }

  void* handle_ = nullptr;
  bool initialised_ = false;
  NvmlDevice device_ = nullptr;
  int (*shutdown_)() = nullptr;
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
