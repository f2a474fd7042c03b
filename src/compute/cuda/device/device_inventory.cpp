#include "compute/cuda/device/device_inventory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace longhaul::cuda {
namespace {

constexpr std::size_t kTextBytes = 96;  // NVML's texts are shorter

/// nvmlMemory_t
struct NvmlMemory {
  unsigned long long total = 0;
  unsigned long long free = 0;
  unsigned long long used = 0;
};

class Reader {
 public:
  explicit Reader(const Nvml& nvml)
      : complete_(nvml.find(&count_, "nvmlDeviceGetCount_v2") &&
                  nvml.find(&device_, "nvmlDeviceGetHandleByIndex_v2") &&
                  nvml.find(&name_, "nvmlDeviceGetName") &&
                  nvml.find(&uuid_, "nvmlDeviceGetUUID") &&
                  nvml.find(&memory_, "nvmlDeviceGetMemoryInfo") &&
                  nvml.find(&driver_, "nvmlSystemGetDriverVersion")) {}

  [[nodiscard]] DeviceInventory read() const {
    DeviceInventory inventory;
    if (!complete_) return inventory;
    std::array<char, kTextBytes> text{};
    if (driver_(text.data(), kTextBytes) == kNvmlSuccess) inventory.driver = text.data();
    unsigned count = 0;
    if (count_(&count) != kNvmlSuccess) return inventory;
    for (unsigned i = 0; i < count; ++i) {
      NvmlDevice device = nullptr;
      if (device_(i, &device) != kNvmlSuccess) continue;  // one that this user may not see
      inventory.devices.push_back(describe(device));
    }
    return inventory;
  }

 private:
  [[nodiscard]] InstalledDevice describe(NvmlDevice device) const {
    InstalledDevice found;
    std::array<char, kTextBytes> text{};
    if (name_(device, text.data(), kTextBytes) == kNvmlSuccess) found.name = text.data();
    if (uuid_(device, text.data(), kTextBytes) == kNvmlSuccess) found.uuid = text.data();
    NvmlMemory memory;
    if (memory_(device, &memory) == kNvmlSuccess) {
      found.memory_bytes = static_cast<std::int64_t>(memory.total);
      found.memory_free = static_cast<std::int64_t>(memory.free);
    }
    return found;
  }

  int (*count_)(unsigned*) = nullptr;
  int (*device_)(unsigned, NvmlDevice*) = nullptr;
  int (*name_)(NvmlDevice, char*, unsigned) = nullptr;
  int (*uuid_)(NvmlDevice, char*, unsigned) = nullptr;
  int (*memory_)(NvmlDevice, NvmlMemory*) = nullptr;
  int (*driver_)(char*, unsigned) = nullptr;
  bool complete_;
};

}  // namespace

DeviceInventory device_inventory(const char* library) {
  const std::unique_ptr<Nvml> nvml = Nvml::open(library);
  if (nvml == nullptr) return {};
  DeviceInventory inventory = Reader(*nvml).read();
  if (const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES")) {
    inventory.devices = visible_devices(inventory.devices, visible);
  }
  return inventory;
}

std::vector<InstalledDevice> visible_devices(const std::vector<InstalledDevice>& devices,
                                             std::string_view environment) {
  std::vector<InstalledDevice> visible;
  while (!environment.empty()) {
    const std::size_t end = std::min(environment.find(','), environment.size());
    const std::string_view entry = environment.substr(0, end);
    environment.remove_prefix(std::min(end + 1, environment.size()));
    std::size_t number = devices.size();
    const auto parsed = std::from_chars(entry.data(), entry.data() + entry.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != entry.data() + entry.size()) {
      const auto found =
          std::find_if(devices.begin(), devices.end(), [&](const InstalledDevice& device) {
            return !entry.empty() && device.uuid.compare(0, entry.size(), entry) == 0;
          });
      number = static_cast<std::size_t>(found - devices.begin());
    }
    if (number >= devices.size()) break;
    visible.push_back(devices[number]);
  }
  return visible;
}

}  // namespace longhaul::cuda
