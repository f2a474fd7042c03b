#include "train/step_runner.h"

#include <algorithm>
#include <cmath>

#include "core/stopwatch.h"

namespace longhaul {
namespace {

constexpr double kClipEpsilon = 1e-6;  // as Megatron and PyTorch do

}  // namespace

StepRunner::StepRunner(Runtime& runtime, TrainingMemory& memory, double clip_grad)
    : runtime_(runtime), memory_(memory), clip_grad_(clip_grad) {}

void StepRunner::add(const MicroBatch& batch, BatchTotals& totals) const {
  // Ranks of a TP group hold the same tokens, and every CP rank knows the whole stream: each number
  // is counted where it is not counted twice.
  if (runtime_.grid.tp_rank() != 0) return;
  totals.weighted_nll += memory_.feed().weighted_loss(batch, memory_.model().nll());
  totals.loss_rows += static_cast<std::int64_t>(batch.loss_rows.size());
  if (runtime_.grid.cp_rank() != 0) return;
  totals.weight += batch.weight_sum;
  totals.tokens += batch.real_tokens;
  totals.trained_tokens += batch.trained_tokens;
  totals.padding_tokens += batch.stream_tokens - batch.real_tokens;
  totals.sum_squared_lengths += batch.sum_squared_lengths;
}

BatchTotals StepRunner::sum_over_ranks(const BatchTotals& local) const {
  // Counts stay below 2^53, so doubles hold them exactly.
  const std::vector<double> sums = runtime_.coordinator.sum(
      {local.weighted_nll, local.weight, static_cast<double>(local.tokens),
       static_cast<double>(local.trained_tokens), static_cast<double>(local.padding_tokens),
       static_cast<double>(local.sum_squared_lengths), static_cast<double>(local.loss_rows)});
  const auto count = [&](std::size_t i) { return static_cast<std::int64_t>(sums[i]); };
  return {sums[0], sums[1], count(2), count(3), count(4), count(5), count(6)};
}

StepOutcome StepRunner::run(std::int64_t micro_batches, const MicroBatchProvider& provider,
                            double learning_rate, std::int64_t update) {
  StepOutcome outcome;
  PhaseSeconds& seconds = outcome.seconds;
  Stopwatch watch;
  BatchTotals local;
  memory_.gradients().start_step();
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    const MicroBatch& batch = provider(i);
    const DeviceBatch device = memory_.feed().upload(batch);
    seconds.data += watch.lap();
    memory_.model().forward_layers(device);
    seconds.forward += watch.lap();
    memory_.model().backward(device, memory_.gradients());
    add(batch, local);
    seconds.backward += watch.lap();
  }
  memory_.gradients().finish_step();
  outcome.totals = sum_over_ranks(local);
  seconds.communication += watch.lap();

  const double weight = outcome.totals.weight;
  if (!(weight > 0)) {
    outcome.end = StepEnd::no_loss;
    return outcome;
  }
  ShardedAdamW& optimizer = memory_.optimizer();
  outcome.grad_norm = optimizer.gradient_norm(memory_.gradients().shards(), 1.0 / weight);
  if (!std::isfinite(outcome.grad_norm) || !std::isfinite(outcome.totals.weighted_nll)) {
    outcome.end = StepEnd::not_finite;
    return outcome;
  }
  const double clip =
      clip_grad_ > 0 ? std::min(1.0, clip_grad_ / (outcome.grad_norm + kClipEpsilon)) : 1.0;
  optimizer.update(memory_.gradients().shards(), update, learning_rate, clip / weight);
  memory_.weights().gather();
  seconds.optimizer += watch.lap();
  return outcome;
}

BatchTotals StepRunner::evaluate(std::int64_t micro_batches, const MicroBatchProvider& provider) {
  BatchTotals local;
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    const MicroBatch& batch = provider(i);
    const DeviceBatch device = memory_.feed().upload(batch);
    memory_.model().forward(device);
    add(batch, local);
  }
  return sum_over_ranks(local);
}

}  // namespace longhaul
