#pragma once

#include <array>
#include <cstdint>

#include "core/arena.h"
#include "data/batches/micro_batch.h"
#include "model/device_batch.h"
#include "runtime/runtime.h"

namespace longhaul {

/// Device copies of a micro-batch's arrays, and the losses' way back to the host. Two sets of
/// buffers take turns, so that the next micro-batch is copied while this one is computed and the
/// host never waits for the device.
class BatchFeed {
 public:
  BatchFeed(Runtime& runtime, std::int64_t max_local_tokens, Arena& arena);

  /// Issues the copy to the device; work issued on the compute stream from now on finds the data
  /// there. The result refers to this object, until the next upload but one, and to batch.segments.
  DeviceBatch upload(const MicroBatch& batch);

  // The sum of weight * nll over this rank's loss rows, kept on the device in fp64.
  void clear_loss();
  /// nll [loss rows] fp32 on the device.
  void add_loss(const DeviceBatch& batch, const float* nll);
  /// Waits for the device.
  [[nodiscard]] double loss();

 private:
  /// The arrays of one micro-batch, each [max_local_tokens], one after the other.
  struct Slot {
    std::byte* device = nullptr;
    PinnedBuffer host;
    Event uploaded{};
    Event computed{};  // nothing issued before needs the device arrays any more
  };
  static constexpr int kArrays = 5;

  Runtime& runtime_;
  std::int64_t max_local_tokens_;
  std::size_t array_bytes_;
  Stream copy_stream_;
  std::array<Slot, 2> slots_;
  int current_ = 0;  // the slot of the last upload
  double* loss_;     // device
  PinnedBuffer loss_on_host_;
};

}  // namespace longhaul
