#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "bench/report.h"
#include "model/model_config.h"
#include "model/parameter_table.h"
#include "model/recomputation.h"
#include "runtime/runtime.h"

namespace longhaul::bench {

struct StepOptions {
  std::vector<std::int64_t> lengths;   // documents of a micro-batch's stream
  std::int64_t micro_batches = 1;      // of a rank in a step
  double loss_share = 1.0;             // of the tokens after each document's first
  std::optional<Recompute> recompute;  // nothing: the cheapest that fits
  std::int64_t steps = 5;
  std::int64_t warmup = 2;  // steps before those that count
  double learning_rate = 1e-5;
  double clip_grad = 1.0;
  int ranks_per_gpu = 1;
  std::filesystem::path weights;  // a Hugging Face model; empty: random ones
};

/// Whole optimizer steps of a training run, through the same StepRunner and TrainingMemory, on
/// synthetic batches. A row a step; results are medians over the steps after the warm-up, and
/// memory as planned and as the device reports it. Throws CollectiveError with the plan when it
/// does not fit. Collective; `report` prints on rank 0.
void bench_step(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
                const StepOptions& options, Report& report);

}  // namespace longhaul::bench
