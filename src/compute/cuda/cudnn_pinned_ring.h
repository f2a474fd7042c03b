#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace longhaul::cudnn {

/// Copies host memory to the device through pinned memory, so that the host goes on at once and may
/// change the source.
class PinnedRing {
 public:
  explicit PinnedRing(std::size_t slot_bytes);
  ~PinnedRing();
  PinnedRing(const PinnedRing&) = delete;
  PinnedRing& operator=(const PinnedRing&) = delete;

  /// bytes <= slot_bytes. Waits for the device only when all slots are still being read.
  void copy_to_device(void* device, const std::byte* host, std::size_t bytes, cudaStream_t stream);

 private:
  struct FreeHost {
    void operator()(std::byte* memory) const { (void)cudaFreeHost(memory); }
  };
  struct DestroyEvent {
    void operator()(cudaEvent_t event) const { (void)cudaEventDestroy(event); }
  };
  using EventOwner = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, DestroyEvent>;

  static constexpr int kSlots = 8;
  std::size_t slot_bytes_;
  std::unique_ptr<std::byte, FreeHost> pinned_;  // [kSlots, slot_bytes]
  std::array<EventOwner, kSlots> read_;          // the last copy out of each slot
  int next_ = 0;
};

}  // namespace longhaul::cudnn
