#pragma once

#include <memory>

namespace longhaul::cuda {

// The few declarations of NVIDIA's management library (NVML) that are used here; its header does
// not come with every CUDA Toolkit. Its interface is stable: functions are versioned by their
// names.
using NvmlDevice = void*;
inline constexpr int kNvmlSuccess = 0;
inline constexpr const char* kNvmlLibrary = "libnvidia-ml.so.1";

/// The management library, opened at run time: it comes with the driver, and programs start without
/// it. Initialised as long as this object lives.
class Nvml {
 public:
  /// Null when it is not there or cannot be initialised.
  static std::unique_ptr<Nvml> open(const char* name);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// False when the library has no such function.
  template <typename Function>
  bool find(Function* function, const char* name) const {
    *function = reinterpret_cast<Function>(symbol(name));
    return *function != nullptr;
  }

 private:
  Nvml() = default;
  [[nodiscard]] void* symbol(const char* name) const;

  void* handle_ = nullptr;
  int (*shutdown_)() = nullptr;  // set once initialised
};

}  // namespace longhaul::cuda
