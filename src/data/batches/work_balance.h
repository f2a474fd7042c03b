#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "comm/process_grid.h"
#include "data/batches/packing.h"
#include "data/batches/step_schedule.h"

namespace longhaul {

/// How unevenly ranks that wait for each other share work, by the estimate of length_cost(): what
/// the busiest costs over what they cost on average, so 1 when all have the same.
struct Imbalance {
  double mean = 1.0;            // of all steps together
  double worst = 1.0;           // of one step
  std::int64_t worst_step = 1;  // which one, counted from 1
};

/// What an epoch's micro-batches are made of and how evenly ranks share them.
struct EpochBalance {
  std::int64_t tokens = 0;         // of documents
  std::int64_t padded_tokens = 0;  // of the streams, padding included
  Imbalance data_parallel;
  Imbalance context_parallel;

  /// Of what is computed on.
  [[nodiscard]] double padding_share() const {
    return padded_tokens == 0
               ? 0.0
               : 1.0 - static_cast<double>(tokens) / static_cast<double>(padded_tokens);
  }
};

/// What the rows of each context-parallel rank cost, [cp]: rank r has chunks r and 2 cp - 1 - r of
/// the stream in which documents of these lengths lie end to end. A row costs in proportion to the
/// keys it sees, so that a whole document costs length_cost(). Padding is a document, too.
std::vector<double> context_costs(std::span<const std::int64_t> document_lengths,
                                  const ParallelLayout& layout);

/// The first epoch's steps, or as many as the run has. `lengths` are those that the packs were made
/// with. Data-parallel ranks wait for each other in every micro-batch, because gradients are
/// reduced there, context-parallel ranks in every layer.
EpochBalance measure_epoch(std::span<const Pack> packs, std::span<const std::int64_t> lengths,
                           const StepSchedule& schedule, const ParallelLayout& layout);

}  // namespace longhaul
