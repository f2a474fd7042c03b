#pragma once

#include <cstdint>
#include <vector>

#include "compute/runtime.h"
#include "core/arena.h"
#include "data/micro_batch.h"
#include "model/device_batch.h"

namespace longhaul {

/// Device copies of a micro-batch's arrays, and the losses' way back to the host.
class BatchFeed {
 public:
  BatchFeed(Runtime& runtime, std::int64_t max_local_tokens, Arena& arena);

  /// Copies to the device. The result refers to this object and to batch.segments.
  DeviceBatch upload(const MicroBatch& batch);

  /// nll [loss rows] fp32 on the device -> sum(weight * nll) over this rank's loss rows, added in
  /// row order in fp64.
  double weighted_loss(const MicroBatch& batch, const float* nll);

 private:
  Runtime& runtime_;
  std::int64_t max_local_tokens_;
  std::int32_t* ids_;
  std::int32_t* positions_;
  std::int32_t* loss_rows_;
  std::int32_t* targets_;
  float* target_weights_;
  std::vector<float> nll_;
};

}  // namespace longhaul
