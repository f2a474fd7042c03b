#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "comm/process_grid.h"
#include "train/training_memory.h"

namespace longhaul {

/// The micro-batch size and recomputation that fit the memory.
struct PlanChoice {
  std::int64_t micro_bs = 1;
  MemoryPlan plan;   // of the rank that needs most
  std::string note;  // what was changed from what was asked, and why; empty when nothing

  [[nodiscard]] const Recomputation& recomputation() const { return plan.shape.recomputation; }
};

/// What a run may choose from.
struct PlanRequest {
  std::int64_t micro_bs = 1;           // at most
  std::optional<Recompute> recompute;  // what the user asked for; empty for auto
  std::int64_t layers = 0;
  std::size_t free_bytes = 0;  // what every rank can have
  ParallelLayout layout;
  /// What the rank that needs most needs.
  std::function<MemoryPlan(std::int64_t micro_bs, const Recomputation& recomputation)> plan;
  /// The same with one pack a micro-batch in another layout; nothing when the model cannot be
  /// divided so.
  std::function<std::optional<std::size_t>(const ParallelLayout& layout, Recompute mode)>
      bytes_in_layout;
};

/// Bytes that every rank can have; `ranks_per_gpu` share a device. Collective.
std::size_t usable_memory(Runtime& runtime, int ranks_per_gpu);

/// The cheapest recomputation that fits, with a smaller micro-batch where it must be (numbers do
/// not depend on it). Without a wish of the user's, as many layers as the memory holds compute
/// nothing again. Nothing when one pack a micro-batch does not fit.
std::optional<PlanChoice> cheapest_fit(const PlanRequest& question);

/// The plan that needs least of what the request allows: when it does not fit, nothing does.
MemoryPlan least_plan(const PlanRequest& question);

/// The cheapest that fits; throws UserError with the plan and the nearest change that fits when
/// nothing does.
PlanChoice choose_memory(const PlanRequest& question);

/// The plan as lines of "12.3 GiB  weights", largest first, and the sum.
std::string describe(const MemoryPlan& plan);

}  // namespace longhaul
