#include "compute/cuda/device/pinned_memory.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "core/cuda_check.h"
#include "core/proc.h"

namespace longhaul::cuda {
namespace {

constexpr std::size_t kWorthAThread = std::size_t{256} << 20;
constexpr std::size_t kMostThreads = 8;

/// Makes the pages of [data, data + bytes) real.
void touch(std::byte* data, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t pages = (bytes + page - 1) / page;
  const std::size_t threads = std::clamp<std::size_t>(bytes / kWorthAThread, 1, kMostThreads);
  const auto touch_pages = [&](std::size_t part) {
    const std::size_t end = pages * (part + 1) / threads;
    for (std::size_t i = pages * part / threads; i < end; ++i) {
      static_cast<volatile std::byte*>(data)[i * page] = std::byte{0};
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t part = 1; part < threads; ++part) others.emplace_back(touch_pages, part);
  touch_pages(0);
}

}  // namespace

PinnedMemory::~PinnedMemory() {
  while (!blocks_.empty()) deallocate(blocks_.begin()->first);
}

void* PinnedMemory::allocate(std::size_t bytes) {
  // Linux promises more memory than there is; who touches it then is killed without a word.
  const std::size_t available = available_host_memory();  // 0: unknown
  if (available > 0 && bytes > available) return nullptr;
  void* const data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  madvise(data, bytes, MADV_HUGEPAGE);  // where the kernel has them; small pages are right too
  touch(static_cast<std::byte*>(data), bytes);
  const cudaError_t code = cudaHostRegister(data, bytes, cudaHostRegisterDefault);
  if (code != cudaSuccess) {
    (void)cudaGetLastError();  // it would be reported again by the next call
    munmap(data, bytes);
    if (code == cudaErrorMemoryAllocation) return nullptr;
  }
  LONGHAUL_CUDA_CHECK(code, "locking host memory");
  blocks_.emplace(data, bytes);
  return data;
}

void PinnedMemory::deallocate(void* data) noexcept {
  const auto block = blocks_.find(data);
  if (block == blocks_.end()) return;
  cudaHostUnregister(data);
  munmap(data, block->second);
  blocks_.erase(block);
}

}  // namespace longhaul::cuda
