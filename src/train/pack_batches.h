#pragma once

#include <span>
#include <vector>

#include "comm/process_grid.h"
#include "data/batches/micro_batch.h"
#include "data/batches/packing.h"
#include "data/batches/step_schedule.h"
#include "data/dataset/dataset.h"

namespace longhaul {

/// Packs of samples -> this rank's share of micro-batches, with reused buffers.
class PackBatches {
 public:
  /// max_tokens: of the longest padded stream. The references must outlive this object.
  PackBatches(const Dataset& dataset, const std::vector<Pack>& packs, const ProcessGrid& grid,
              std::int64_t max_tokens);

  /// Micro-batch `index` of this rank in the step of `plan`; good until the next call.
  const MicroBatch& build(const StepPlan& plan, std::int64_t index);

 private:
  const Dataset& dataset_;
  const std::vector<Pack>& packs_;
  const ProcessGrid& grid_;
  std::int64_t max_tokens_;
  DocumentBuffer buffer_;
  MicroBatch batch_;
};

/// Tokens of the largest micro-batch that micro_bs of the packs can make.
std::int64_t largest_micro_batch(const std::vector<Pack>& packs, std::int64_t micro_bs);

}  // namespace longhaul
