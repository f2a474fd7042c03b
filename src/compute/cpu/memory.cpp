#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "compute/cpu/cpu_device.h"
#include "compute/cpu/parallel.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/proc.h"

namespace longhaul::cpu {
namespace {

// Blocks of at least two huge pages are aligned to one, so that the kernel can use them.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void* CpuDevice::allocate(std::size_t bytes) {
  if (bytes == 0) bytes = Arena::kAlignment;
  // The system may promise more than it has and end the process later, so ask for what is there.
  const std::size_t available = memory_free();
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : Arena::kAlignment;
  void* data = nullptr;
  if (available == 0 || bytes <= available) {
    data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  if (data == nullptr) {
    user_error(
        "Not enough host memory: {} bytes were asked for and {} are free. Use a smaller "
        "micro-batch "
        "or max_length, more recomputation, or more ranks on other machines",
        bytes, available);
  }
  if (alignment == kHugePage) madvise(data, bytes, MADV_HUGEPAGE);  // a wish; failure is harmless
  return data;
}

void CpuDevice::deallocate(void* data) noexcept { std::free(data); }

std::size_t CpuDevice::memory_used() const { return proc_bytes("/proc/self/status", "VmRSS"); }

std::size_t CpuDevice::memory_free() const { return available_host_memory(); }

void CpuDevice::copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) {
  copy_on_device(device, host, bytes, stream);
}

void CpuDevice::copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) {
  copy_on_device(host, device, bytes, stream);
}

void CpuDevice::copy_on_device(void* to, const void* from, std::size_t bytes, Stream /*stream*/) {
  parallel_copy(threads_, to, from, bytes);
}

void CpuDevice::fill_zero(void* data, std::size_t bytes, Stream /*stream*/) {
  parallel_bytes(threads_, bytes, [&](std::int64_t begin, std::int64_t count) {
    std::memset(static_cast<std::byte*>(data) + begin, 0, static_cast<std::size_t>(count));
  });
}

}  // namespace longhaul::cpu
