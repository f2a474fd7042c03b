#include <algorithm>

#include "compute/cuda/cuda_backend.h"
#include "core/arena.h"

namespace longhaul::cuda {
namespace {

struct DeviceMemory {
  std::size_t free = 0;
  std::size_t total = 0;
};

DeviceMemory device_memory() {
  DeviceMemory memory;
  LONGHAUL_CUDA_CHECK(cudaMemGetInfo(&memory.free, &memory.total), "asking for free memory");
  return memory;
}

}  // namespace

void* CudaBackend::allocate(std::size_t bytes) {
  void* data = nullptr;
  const cudaError_t code = cudaMalloc(&data, std::max(bytes, Arena::kAlignment));
  if (code == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // it would be reported again by the next call
    const DeviceMemory memory = device_memory();
    user_error(
        "{}: {} bytes of GPU memory were asked for, but {} of its {} are free; end other programs "
        "on this GPU (nvidia-smi lists them), or use a smaller --micro_bs or --max_length, "
        "--recompute_granularity full, or more ranks with a larger --tensor_model_parallel_size or "
        "--context_parallel_size",
        device_.name, bytes, memory.free, memory.total);
  }
  LONGHAUL_CUDA_CHECK(code, "allocating device memory");
  return data;
}

void CudaBackend::deallocate(void* data) noexcept { cudaFree(data); }

void* CudaBackend::allocate_host(std::size_t bytes) {
  void* const data = locked_memory_.allocate(std::max(bytes, Arena::kAlignment));
  if (data == nullptr) {
    user_error(
        "{} bytes of page-locked host memory were asked for and could not be had; this host has "
        "too little free memory, or a limit on locked memory (ulimit -l)",
        bytes);
  }
  return data;
}

void CudaBackend::deallocate_host(void* data) noexcept { locked_memory_.deallocate(data); }

std::size_t CudaBackend::memory_used() const {
  const DeviceMemory memory = device_memory();
  return memory.total - memory.free;
}

std::size_t CudaBackend::memory_free() const { return device_memory().free; }

void CudaBackend::copy_to_device(void* device, const void* host, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  LONGHAUL_CUDA_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, native(stream)),
                      "copying to the device");
}

void CudaBackend::copy_to_host(void* host, const void* device, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  LONGHAUL_CUDA_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, native(stream)),
                      "copying to the host");
}

void CudaBackend::copy_on_device(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  LONGHAUL_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, native(stream)),
                      "copying on the device");
}

void CudaBackend::fill_zero(void* data, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  LONGHAUL_CUDA_CHECK(cudaMemsetAsync(data, 0, bytes, native(stream)), "clearing device memory");
}

}  // namespace longhaul::cuda
