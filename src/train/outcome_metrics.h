#pragma once

#include "metrics/step_metrics.h"
#include "model/model_config.h"
#include "runtime/runtime.h"
#include "train/step_runner.h"

namespace longhaul {

/// What a step's outcome alone tells: loss, norm, tokens, phases, operations, was it skipped. The
/// same on all ranks but for `seconds`.
StepMetrics outcome_metrics(const StepOutcome& outcome, const ModelConfig& config,
                            const Runtime& runtime);

}  // namespace longhaul
