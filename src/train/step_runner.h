#pragma once

#include <cstdint>
#include <functional>

#include "data/batches/micro_batch.h"
#include "metrics/step_metrics.h"
#include "runtime/runtime.h"
#include "train/phase_timer.h"
#include "train/training_memory.h"

namespace longhaul {

/// The i-th micro-batch of this rank in a step; the reference is good until the next call.
using MicroBatchProvider = std::function<const MicroBatch&(std::int64_t index)>;

/// Sums over the whole global batch: all micro-batches of all DP and CP ranks.
struct BatchTotals {
  double weighted_nll = 0.0;
  double weight = 0.0;
  std::int64_t tokens = 0;  // of documents, without padding
  std::int64_t trained_tokens = 0;
  std::int64_t padding_tokens = 0;
  std::int64_t sum_squared_lengths = 0;
  std::int64_t loss_rows = 0;  // rows that went through the vocabulary head

  /// sum(weight * nll) / sum(weight); 0 when nothing carries loss.
  [[nodiscard]] double loss() const { return weight > 0 ? weighted_nll / weight : 0.0; }
};

enum class StepEnd : std::uint8_t {
  updated,
  not_finite,  // the loss or the gradient norm: the weights were left as they were
  no_loss,     // no token of the step carries loss: nothing to learn from
};

struct StepOutcome {
  StepEnd end = StepEnd::updated;
  BatchTotals totals;
  double grad_norm = 0.0;  // before clipping
  PhaseSeconds seconds;
};

/// One optimizer step, whatever the layout: forward and backward of the micro-batches, reduction,
/// clipping, update, gathering of the new weights. Every method is collective over all ranks, with
/// the same number of micro-batches everywhere.
class StepRunner {
 public:
  /// clip_grad: largest gradient norm, 0 = no clipping.
  StepRunner(Runtime& runtime, TrainingMemory& memory, double clip_grad);

  /// update: number of this update, from 1, for AdamW's bias correction.
  StepOutcome run(std::int64_t micro_batches, const MicroBatchProvider& provider,
                  double learning_rate, std::int64_t update);

  /// Losses without gradients.
  BatchTotals evaluate(std::int64_t micro_batches, const MicroBatchProvider& provider);

 private:
  void add(const MicroBatch& batch, const DeviceBatch& device, BatchTotals& totals) const;
  /// Waits for the device's losses.
  [[nodiscard]] BatchTotals sum_over_ranks(BatchTotals local) const;
  /// norm: of the summed gradients, before they are divided by the sum of weights.
  StepEnd update_weights(StepOutcome& outcome, double norm, double learning_rate,
                         std::int64_t update);

  Runtime& runtime_;
  TrainingMemory& memory_;
  double clip_grad_;
  PhaseTimer timer_;
};

}  // namespace longhaul
