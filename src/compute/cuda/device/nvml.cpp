#include "compute/cuda/device/nvml.h"

#include <dlfcn.h>

namespace longhaul::cuda {

std::unique_ptr<Nvml> Nvml::open(const char* name) {
  std::unique_ptr<Nvml> library(new Nvml);
  library->handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  int (*initialise)() = nullptr;
  int (*shutdown)() = nullptr;
  if (library->handle_ == nullptr || !library->find(&initialise, "nvmlInit_v2") ||
      !library->find(&shutdown, "nvmlShutdown") || initialise() != kNvmlSuccess) {
    return nullptr;
  }
  library->shutdown_ = shutdown;
  return library;
}

Nvml::~Nvml() {
  if (shutdown_ != nullptr) shutdown_();
  if (handle_ != nullptr) dlclose(handle_);
}

void* Nvml::symbol(const char* name) const { return dlsym(handle_, name); }

}  // namespace longhaul::cuda
