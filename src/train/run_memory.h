#pragma once

#include <cstdint>
#include <functional>

#include "train/memory_choice.h"
#include "train/training_memory.h"

namespace longhaul {

/// What a run's memory depends on besides what can be chosen: the layout, the micro-batch, the
/// recomputation.
struct RunMemory {
  const ModelConfig& config;
  AdamWOptions adamw;
  std::int64_t max_position = 0;  // of the longest document
  /// Tokens of the longest stream of `micro_bs` packs, padded as the layout needs it.
  std::function<std::int64_t(std::int64_t micro_bs, const ParallelLayout& layout)> max_tokens;

  /// What a rank needs. Pure. Throws UserError when the layout does not divide the model.
  [[nodiscard]] MemoryPlan plan(const DeviceModel& device, const ProcessGrid& grid,
                                std::int64_t micro_bs, const Recomputation& recomputation) const;
};

/// What `run` may choose from on these ranks: one pack a micro-batch and any recomputation, unless
/// the caller changes that. Collective, and so is the request's plan(). The runtime and the run's
/// configuration must outlive the request.
PlanRequest plan_request(Runtime& runtime, const RunMemory& run, int ranks_per_gpu);

}  // namespace longhaul
