#pragma once

#include <filesystem>
#include <string>

#include "metrics/console.h"
#include "metrics/tensorboard_writer.h"
#include "metrics/train_log.h"

namespace longhaul {

/// All that a run says about itself, on rank 0: the console, <save>/train_log.jsonl and TensorBoard
/// events in <save>/runs.
class RunReporter {
 public:
  /// resume_step: steps after it are dropped from the logs; 0 for a new run.
  RunReporter(const std::filesystem::path& save, std::int64_t resume_step,
              std::int64_t log_interval);

  /// config: the run's settings as JSON text, shown by TensorBoard.
  void opening(const RunOverview& overview, const std::string& config);
  void step(const StepMetrics& metrics);
  void evaluation(const EvaluationReport& report) { console_.evaluation(report); }
  void checkpoint(const CheckpointReport& report) { console_.checkpoint(report); }
  void message(const std::string& text) { console_.message(text); }
  /// Before a checkpoint becomes the latest: its steps' lines must be on disk.
  void sync();
  void closing(RunSummary summary);

 private:
  std::filesystem::path save_;
  Console console_;
  TrainLog log_;
  TensorBoardWriter events_;
};

}  // namespace longhaul
