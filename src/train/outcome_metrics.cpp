#include "train/outcome_metrics.h"

#include "metrics/model_flops.h"

namespace longhaul {
namespace {

/// Operations that the model needs for a step, on all ranks together.
double step_flops(const ModelConfig& config, const BatchTotals& totals) {
  ModelFlopsInput input;
  input.layer_matmul_parameters = config.layer_matmul_parameters();
  input.head_parameters = config.head_parameters();
  input.layers = config.num_layers;
  input.query_heads = config.num_heads;
  input.head_dim = config.head_dim;
  input.tokens = totals.tokens;
  input.head_rows = totals.loss_rows;
  input.sum_of_squared_lengths = totals.sum_squared_lengths;
  return training_flops(input);
}

}  // namespace

StepMetrics outcome_metrics(const StepOutcome& outcome, const ModelConfig& config,
                            const Runtime& runtime) {
  StepMetrics metrics;
  metrics.loss = outcome.totals.loss();
  metrics.grad_norm = outcome.grad_norm;
  metrics.tokens = outcome.totals.tokens;
  metrics.trained_tokens = outcome.totals.trained_tokens;
  metrics.padding_tokens = outcome.totals.padding_tokens;
  metrics.devices = runtime.grid.world();
  metrics.seconds = outcome.seconds;
  metrics.model_flops = step_flops(config, outcome.totals);
  metrics.peak_flops = runtime.device.peak_flops() * runtime.grid.world();
  metrics.skipped = outcome.end != StepEnd::updated;
  return metrics;
}

}  // namespace longhaul
