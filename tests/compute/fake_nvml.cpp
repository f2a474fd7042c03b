// Stands in for NVIDIA's management library in tests: one GPU that does not tell its temperature,
// found by its UUID; and a list of GPUs by number, as FAKE_NVML_GPUS says: "8 NVIDIA H100 80GB
// HBM3".
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {

int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }

int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  static int gpu = 0;
  if (std::strcmp(uuid, "GPU-known") != 0) return 6;  // not found
  *device = &gpu;
  return 0;
}

int nvmlDeviceGetClockInfo(void*, int type, unsigned* mhz) {
  *mhz = type == 1 ? 1755 : 2619;
  return 0;
}

int nvmlDeviceGetPowerUsage(void*, unsigned* milliwatts) {
  *milliwatts = 650500;
  return 0;
}

int nvmlDeviceGetTemperature(void*, int, unsigned* celsius) {
  *celsius = 99;
  return 3;  // not supported
}

int nvmlSystemGetDriverVersion(char* text, unsigned bytes) {
  std::snprintf(text, bytes, "570.86.15");
  return 0;
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  const char* const gpus = std::getenv("FAKE_NVML_GPUS");
  *count = gpus == nullptr ? 0 : static_cast<unsigned>(std::atoi(gpus));
  return 0;
}

/// A device's handle points to one of these bytes; which, is its number.
static char devices[64];

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = devices + index;
  return 0;
}

int nvmlDeviceGetName(void*, char* text, unsigned bytes) {
  const char* const gpus = std::getenv("FAKE_NVML_GPUS");
  const char* const name = gpus == nullptr ? nullptr : std::strchr(gpus, ' ');
  std::snprintf(text, bytes, "%s", name == nullptr ? "" : name + 1);
  return 0;
}

int nvmlDeviceGetUUID(void* device, char* text, unsigned bytes) {
  const auto number = static_cast<int>(static_cast<char*>(device) - devices);
  std::snprintf(text, bytes, "GPU-%08d-0000-0000-0000-000000000000", number);
  return 0;
}

struct FakeMemory {
  unsigned long long total, free, used;
};

int nvmlDeviceGetMemoryInfo(void*, FakeMemory* memory) {
  constexpr unsigned long long kGibibyte = 1ULL << 30;
  *memory = {80 * kGibibyte, 79 * kGibibyte, 1 * kGibibyte};
  return 0;
}

}  // extern "C"
