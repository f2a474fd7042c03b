#include "train/step_runner.h"

#include <algorithm>
#include <cmath>

namespace longhaul {
namespace {

constexpr double kClipEpsilon = 1e-6;  // as Megatron and PyTorch do

}  // namespace

StepRunner::StepRunner(Runtime& runtime, TrainingMemory& memory, double clip_grad)
    : runtime_(runtime), memory_(memory), clip_grad_(clip_grad), timer_(runtime) {}

void StepRunner::add(const MicroBatch& batch, const DeviceBatch& device,
                     BatchTotals& totals) const {
  // Ranks of a TP group hold the same tokens, and every CP rank knows the whole stream: each number
  // is counted where it is not counted twice.
  if (runtime_.grid.tp_rank() != 0) return;
  memory_.feed().add_loss(device, memory_.model().nll());
  totals.loss_rows += static_cast<std::int64_t>(batch.loss_rows.size());
  if (runtime_.grid.cp_rank() != 0) return;
  totals.weight += batch.weight_sum;
  totals.tokens += batch.real_tokens;
  totals.trained_tokens += batch.trained_tokens;
  totals.padding_tokens += batch.stream_tokens - batch.real_tokens;
  totals.sum_squared_lengths += batch.sum_squared_lengths;
}

BatchTotals StepRunner::sum_over_ranks(BatchTotals local) const {
  local.weighted_nll = memory_.feed().loss();
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
  BatchTotals local;
  ProgressRecord& progress = runtime_.coordinator.progress();
  timer_.start();
  memory_.gradients().start_step();
  memory_.feed().clear_loss();
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    const ProfilerRange range(runtime_.device, "micro-batch");
    progress.enter_phase("data");
    const MicroBatch& batch = provider(i);
    const DeviceBatch device = memory_.feed().upload(batch);
    timer_.mark(&PhaseSeconds::data);
    progress.enter_phase("forward");
    memory_.model().forward_layers(device);
    timer_.mark(&PhaseSeconds::forward);
    progress.enter_phase("backward");
    memory_.model().backward(device, memory_.gradients());
    add(batch, device, local);
    timer_.mark(&PhaseSeconds::backward);
  }
  progress.enter_phase("communication");
  memory_.gradients().finish_step();
  timer_.mark(&PhaseSeconds::communication);
  progress.enter_phase("optimizer");
  // The host waits here for the first time in the step.
  const double norm = memory_.optimizer().gradient_norm(memory_.gradients().shards());
  outcome.totals = sum_over_ranks(local);
  outcome.end = update_weights(outcome, norm, learning_rate, update);
  timer_.mark(&PhaseSeconds::optimizer);
  outcome.seconds = timer_.finish();
  return outcome;
}

StepEnd StepRunner::update_weights(StepOutcome& outcome, double norm, double learning_rate,
                                   std::int64_t update) {
  const ProfilerRange range(runtime_.device, "optimizer");
  const double weight = outcome.totals.weight;
  if (!(weight > 0)) return StepEnd::no_loss;
  outcome.grad_norm = norm / weight;
  if (!std::isfinite(outcome.grad_norm) || !std::isfinite(outcome.totals.weighted_nll)) {
    return StepEnd::not_finite;
  }
  const double clip =
      clip_grad_ > 0 ? std::min(1.0, clip_grad_ / (outcome.grad_norm + kClipEpsilon)) : 1.0;
  memory_.optimizer().update(memory_.gradients().shards(), update, learning_rate, clip / weight);
  memory_.weights().gather();
  return StepEnd::updated;
}

BatchTotals StepRunner::evaluate(std::int64_t micro_batches, const MicroBatchProvider& provider) {
  BatchTotals local;
  memory_.feed().clear_loss();
  for (std::int64_t i = 0; i < micro_batches; ++i) {
    const MicroBatch& batch = provider(i);
    const DeviceBatch device = memory_.feed().upload(batch);
    memory_.model().forward(device);
    add(batch, device, local);
  }
  return sum_over_ranks(local);
}

}  // namespace longhaul
