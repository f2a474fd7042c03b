#include "compute/cuda/cudnn/cudnn_library.h"

#include <cudnn.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include "core/error.h"

namespace longhaul::cudnn {
namespace {

/// Packed input with grouped heads and a bottom-right mask needs 9.6.
constexpr std::size_t kOldestVersion = 90600;

#define LONGHAUL_TEXT_OF(x) #x
#define LONGHAUL_TEXT(x) LONGHAUL_TEXT_OF(x)
/// The ABI that the headers promise.
constexpr const char* kSoname = "libcudnn.so." LONGHAUL_TEXT(CUDNN_MAJOR);

struct Library {
  void* handle = nullptr;
  std::size_t version = 0;
  std::string problem;
};

std::string problem_of_version(std::size_t version) {
  const std::string text = version_text(version);
  if (version / 10000 != CUDNN_MAJOR) {
    return fmt::format("cuDNN {} was found, but this program was built for cuDNN {}", text,
                       CUDNN_MAJOR);
  }
  if (version < kOldestVersion) {
    return fmt::format("cuDNN {} is older than {}", text, version_text(kOldestVersion));
  }
  // NVIDIA withdrew attention from these two.
  if (version == 91000 || version == 91001) {
    return fmt::format("cuDNN {} has errors in attention; 9.10.2 mends them", text);
  }
  return {};
}

Library open_library() {
  Library library;
  // Local: nothing else in the process should bind to its symbols by accident.
  library.handle = dlopen(kSoname, RTLD_NOW | RTLD_LOCAL);
#ifdef LONGHAUL_CUDNN_LIBRARY
  // Where the build found it, for when the loader does not look there.
  if (library.handle == nullptr) {
    library.handle = dlopen(LONGHAUL_CUDNN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  }
#endif
  if (library.handle == nullptr) {
    const char* const why = dlerror();
    library.problem = fmt::format("cuDNN cannot be loaded: {}", why == nullptr ? kSoname : why);
    return library;
  }
  auto* const get_version =
      reinterpret_cast<decltype(&::cudnnGetVersion)>(dlsym(library.handle, "cudnnGetVersion"));
  if (get_version == nullptr) {
    library.problem = fmt::format("{} has no cudnnGetVersion", kSoname);
    return library;
  }
  const std::size_t version = get_version();
  library.problem = problem_of_version(version);
  if (library.problem.empty()) library.version = version;
  return library;
}

/// Opened once a process and never closed: cuDNN registers code with the CUDA driver.
const Library& library() {
  static const Library opened = open_library();
  return opened;
}

template <typename Function>
Function* function(Function* /*type*/, const char* name) {
  return reinterpret_cast<Function*>(library_symbol(name));
}

#define LONGHAUL_CUDNN_FUNCTION(name) function(&::name, #name)

void check(cudnnStatus_t status, const char* what) {
  LONGHAUL_CHECK(status == CUDNN_STATUS_SUCCESS, "{}: {}", what,
                 LONGHAUL_CUDNN_FUNCTION(cudnnGetErrorString)(status));
}

}  // namespace

std::size_t library_version() { return library().version; }

std::string version_text(std::size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

const std::string& library_problem() { return library().problem; }

void* library_symbol(const char* name) {
  LONGHAUL_CHECK(library_problem().empty(), "{}", library_problem());
  void* const symbol = dlsym(library().handle, name);
  LONGHAUL_CHECK(symbol != nullptr, "cuDNN {} has no function {}", version_text(library_version()),
                 name);
  return symbol;
}

void Handle::use(cudaStream_t stream) {
  if (handle_ == nullptr) {
    cudnnHandle_t handle = nullptr;
    check(LONGHAUL_CUDNN_FUNCTION(cudnnCreate)(&handle), "cudnnCreate");
    handle_.reset(handle);
    stream_ = nullptr;
  }
  if (stream == stream_) return;  // a new handle runs on the default stream
  check(LONGHAUL_CUDNN_FUNCTION(cudnnSetStream)(get(), stream), "cudnnSetStream");
  stream_ = stream;
}

void Handle::Destroy::operator()(cudnnContext* handle) const noexcept {
  // A handle exists, so the library does.
  const auto destroy =
      reinterpret_cast<decltype(&::cudnnDestroy)>(dlsym(library().handle, "cudnnDestroy"));
  if (destroy != nullptr) (void)destroy(handle);
}

}  // namespace longhaul::cudnn
