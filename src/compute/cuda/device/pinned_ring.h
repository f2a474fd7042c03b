#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>

#include "compute/cuda/device/handles.h"

namespace longhaul::cuda {

/// Copies host memory to the device through page-locked memory, so that the host goes on at once
/// and may change the source. Slots grow to the largest copy and stay.
class PinnedRing {
 public:
  PinnedRing() = default;
  /// Waits until the device has read all slots.
  ~PinnedRing();
  PinnedRing(const PinnedRing&) = delete;
  PinnedRing& operator=(const PinnedRing&) = delete;

  /// Waits for the device only when all slots are still being read.
  void copy_to_device(void* device, const void* host, std::size_t bytes, cudaStream_t stream);

 private:
  struct Slot {
    PinnedAllocation memory;
    EventHandle read;  // the last copy out of it
  };
  std::array<Slot, 8> slots_;
  std::size_t next_ = 0;
};

}  // namespace longhaul::cuda
