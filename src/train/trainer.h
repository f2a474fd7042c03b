#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/writer.h"
#include "data/batches/step_schedule.h"
#include "data/dataset/dataset.h"
#include "runtime/runtime.h"
#include "train/memory_choice.h"
#include "train/model_state.h"
#include "train/pack_batches.h"
#include "train/run_reporter.h"
#include "train/run_state.h"
#include "train/step_exchange.h"
#include "train/step_runner.h"
#include "train/stragglers.h"
#include "train/train_options.h"

namespace longhaul {

/// Thrown on all ranks when too many steps in a row had no finite loss or gradient.
class NonFiniteError : public CollectiveError {
 public:
  using CollectiveError::CollectiveError;
};

/// A training run from its first or resumed step to its last: schedule, steps, evaluations,
/// checkpoints, reports. Every method is collective.
class Trainer {
 public:
  /// Packs the data and chooses what fits the memory. The references must outlive this object.
  Trainer(Runtime& runtime, const TrainOptions& options, const ModelConfig& config,
          const ParameterTable& table, const Dataset& dataset);

  /// Allocates all memory, reads the weights, or the state of a checkpoint when `resume` names one
  /// (a step_... folder).
  void load(const std::optional<std::filesystem::path>& resume);

  /// Trains to the last step, or until `stop_signal` has returned a signal's number on some rank:
  /// then the step under way is finished, its checkpoint written, and the signal returned; else 0.
  /// `overview` describes what the trainer does not know itself.
  int run(RunOverview overview, const std::function<int()>& stop_signal);

  /// Steps done.
  [[nodiscard]] std::int64_t step() const { return state_.step; }
  [[nodiscard]] std::int64_t total_steps() const { return schedule_->total_steps(); }

 private:
  [[nodiscard]] RunRecord record() const;
  [[nodiscard]] LearningRateSchedule make_learning_rate() const;
  /// Chooses the micro-batch and the recomputation, and says what there is to say of it.
  void choose_memory();
  /// Makes what checkpoints are written with.
  void start_checkpoints();
  void describe(RunOverview& overview) const;
  /// One step, and what every rank tells of it.
  StepMetrics train_step(std::int64_t step, const std::function<int()>& stop_signal,
                         std::vector<RankStep>& ranks);
  /// What the ranks and their devices say at the end of the step.
  void add_devices(StepMetrics& metrics, const std::vector<RankStep>& ranks);
  /// A step, on rank 0.
  void report(const StepMetrics& metrics) const;
  /// A message for the user, on rank 0; it does not disturb the console's status line.
  void notify(const std::string& text) const;
  void handle_skip(std::int64_t step, const StepPlan& plan, const StepOutcome& outcome);
  /// Loss over the validation packs; empty when there are none.
  std::optional<double> evaluate(std::int64_t step);
  /// Hands the state over to the writer; what is left to do happens behind the next steps.
  void save_checkpoint();

  Runtime& runtime_;
  const TrainOptions& options_;
  const ModelConfig& config_;
  const ParameterTable& table_;
  const Dataset& dataset_;

  std::vector<Pack> packs_;
  std::vector<Pack> validation_packs_;
  std::unique_ptr<StepSchedule> schedule_;
  std::unique_ptr<StepSchedule> validation_schedule_;
  PlanChoice memory_choice_;
  LearningRateSchedule learning_rate_;

  std::unique_ptr<TrainingMemory> memory_;
  std::unique_ptr<StepRunner> runner_;
  std::unique_ptr<PackBatches> batches_;
  std::unique_ptr<PackBatches> validation_batches_;
  std::unique_ptr<StateSnapshot> snapshot_;
  std::unique_ptr<CheckpointWriter> writer_;
  std::unique_ptr<RunReporter> reporter_;       // on rank 0
  std::unique_ptr<StragglerWatch> stragglers_;  // on rank 0
  RunState state_;
  double checkpoint_seconds_ = 0.0;  // waited for since the last step's report
  double snapshot_seconds_ = 0.0;    // that the last checkpoint's copy to host memory took
  std::int64_t peak_memory_ = 0;
};

}  // namespace longhaul
