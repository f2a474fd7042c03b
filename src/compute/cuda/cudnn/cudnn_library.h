#pragma once

// The cuDNN library, opened at run time: a machine without it still runs everything else, and says
// why attention does not use it. Its own libraries are large; processes that never attend on a GPU
// do not load them.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>

struct cudnnContext;

namespace longhaul::cudnn {

/// cuDNN's version number, for example 91900 for 9.19.0; 0 when it cannot be used.
[[nodiscard]] std::size_t library_version();
/// "9.19.0"
[[nodiscard]] std::string version_text(std::size_t version);
/// Why the library cannot be used (not found, too old, a release with known errors); empty when it
/// can.
[[nodiscard]] const std::string& library_problem();
/// A function of the library; throws InternalError when it has none of that name.
[[nodiscard]] void* library_symbol(const char* name);

/// cuDNN's state for the current device; made at the first use, because that takes memory and time.
class Handle {
 public:
  /// Calls go to this stream from now on.
  void use(cudaStream_t stream);
  [[nodiscard]] cudnnContext* get() const { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(cudnnContext* handle) const noexcept;
  };
  std::unique_ptr<cudnnContext, Destroy> handle_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace longhaul::cudnn
