#include "compute/cuda/cudnn_pinned_ring.h"

#include <cstring>

#include "core/cuda_check.h"

namespace longhaul::cudnn {

PinnedRing::PinnedRing(std::size_t slot_bytes) : slot_bytes_(slot_bytes) {
  void* memory = nullptr;
  LONGHAUL_CUDA_CHECK(cudaHostAlloc(&memory, kSlots * slot_bytes, cudaHostAllocDefault),
                      "cudaHostAlloc of attention metadata");
  pinned_.reset(static_cast<std::byte*>(memory));
  for (EventOwner& owner : read_) {
    cudaEvent_t event = nullptr;
    LONGHAUL_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming),
                        "cudaEventCreate for attention metadata");
    owner.reset(event);
  }
}

PinnedRing::~PinnedRing() {
  for (const EventOwner& event : read_) {
    if (event != nullptr) (void)cudaEventSynchronize(event.get());
  }
}

void PinnedRing::copy_to_device(void* device, const std::byte* host, std::size_t bytes,
                                cudaStream_t stream) {
  LONGHAUL_CHECK(bytes <= slot_bytes_, "{} bytes in a slot of {}", bytes, slot_bytes_);
  const auto slot = static_cast<std::size_t>(next_);
  next_ = (next_ + 1) % kSlots;
  LONGHAUL_CUDA_CHECK(cudaEventSynchronize(read_[slot].get()), "waiting for attention metadata");
  std::byte* const pinned = pinned_.get() + slot * slot_bytes_;
  std::memcpy(pinned, host, bytes);
  LONGHAUL_CUDA_CHECK(cudaMemcpyAsync(device, pinned, bytes, cudaMemcpyHostToDevice, stream),
                      "copy of attention metadata");
  LONGHAUL_CUDA_CHECK(cudaEventRecord(read_[slot].get(), stream), "cudaEventRecord");
}

}  // namespace longhaul::cudnn
