#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "metrics/step_metrics.h"

namespace longhaul {

/// What opening an existing log found. Anything but kept lines is worth a message to the user.
struct TrainLogRecovery {
  std::int64_t kept = 0;       // lines with step <= resume_step
  std::int64_t dropped = 0;    // lines of later steps, or written again by a later run
  std::int64_t damaged = 0;    // lines that are no JSON object with a step (a torn write)
  std::int64_t missing = 0;    // steps in 1..resume_step without a line
  std::vector<double> losses;  // of the kept steps in order; NaN where the step was skipped
};

/// <save>/train_log.jsonl: one JSON object a line for each step, on rank 0. Doubles are written so
/// that they read back bit for bit; a number that is not finite is null, and "nonfinite" says what
/// it was. Each line is one write(2), so a killed run leaves whole lines behind. Not thread-safe.
/// Throws UserError when the file system refuses, naming the file.
class TrainLog {
 public:
  /// Opens or creates the file and keeps the lines of steps <= resume_step (0: a new run keeps
  /// none). A file that has others is replaced atomically.
  TrainLog(std::filesystem::path path, std::int64_t resume_step);

  void write(const StepMetrics& metrics);
  /// Waits until everything written is on disk: call it before a checkpoint becomes the latest.
  void sync();

  [[nodiscard]] const TrainLogRecovery& recovery() const { return recovery_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  TrainLogRecovery recovery_;
  FileDescriptor file_;
};

/// The line of one step, without its newline.
std::string train_log_line(const StepMetrics& metrics);

}  // namespace longhaul
