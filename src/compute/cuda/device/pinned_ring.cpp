#include "compute/cuda/device/pinned_ring.h"

#include <cstring>

namespace longhaul::cuda {

PinnedRing::~PinnedRing() {
  for (const Slot& slot : slots_) (void)cudaEventSynchronize(slot.read.get());
}

void PinnedRing::copy_to_device(void* device, const void* host, std::size_t bytes,
                                cudaStream_t stream) {
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  LONGHAUL_CUDA_CHECK(cudaEventSynchronize(slot.read.get()), "waiting for a copy to the device");
  // Twice what is needed: sizes vary a little from one use to the next.
  if (slot.memory.bytes() < bytes) slot.memory = PinnedAllocation(2 * bytes);
  std::memcpy(slot.memory.data(), host, bytes);
  LONGHAUL_CUDA_CHECK(
      cudaMemcpyAsync(device, slot.memory.data(), bytes, cudaMemcpyHostToDevice, stream),
      "copying to the device");
  LONGHAUL_CUDA_CHECK(cudaEventRecord(slot.read.get(), stream), "copying to the device");
}

}  // namespace longhaul::cuda
