#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/console_style.h"
#include "metrics/step_metrics.h"
#include "metrics/time_left.h"

namespace longhaul {

/// What the opening table says. Empty texts and zero counts leave their lines out.
struct RunOverview {
  std::string version;  // "0.1.0"
  std::string model;    // describe(ModelConfig)
  std::string model_path;
  std::int64_t parameters = 0;
  std::string layout;   // "TP 2 x CP 2 x DP 1 on 4 ranks, 1 host"
  std::string backend;  // "cpu, float32"
  std::string dataset;  // path or paths
  std::int64_t rows_read = 0;
  std::int64_t rows_rejected = 0;
  std::string rejected_path;  // where the rejected rows are listed
  std::int64_t train_samples = 0;
  std::int64_t validation_samples = 0;
  std::int64_t train_tokens = 0;
  std::int64_t trained_tokens = 0;
  std::int64_t packs = 0;  // of one epoch
  std::int64_t max_length = 0;
  std::int64_t global_batch = 0;  // packs a step
  std::int64_t micro_batch = 0;
  std::int64_t total_steps = 0;
  double epochs = 0.0;
  std::int64_t resume_step = 0;  // 0: a new run
  std::string save_path;
  std::vector<std::pair<std::string, std::string>> extra;  // further lines: label, text
};

struct EvaluationReport {
  std::int64_t step = 0;
  double loss = 0.0;
  std::int64_t samples = 0;
  std::int64_t trained_tokens = 0;
  double seconds = 0.0;
};

struct CheckpointReport {
  std::int64_t step = 0;
  std::string path;
  std::int64_t bytes = 0;
  double seconds = 0.0;          // that writing it took
  double blocked_seconds = 0.0;  // that training waited for it
  double copy_seconds = 0.0;     // of these, copying the state from the device
};

enum class RunEnd : std::uint8_t { complete, interrupted };

/// What the closing summary says beyond what the console saw itself.
struct RunSummary {
  RunEnd end = RunEnd::complete;
  std::string checkpoint_path;   // newest complete one; empty: none
  std::string tensorboard_path;  // folder for tensorboard --logdir
  std::string log_path;
  std::vector<std::string> next;  // commands worth trying
};

/// What a person watches during training. On a terminal: a status line redrawn in place, and a
/// permanent line every log_interval steps. Elsewhere: one plain line a step. Used on rank 0, by
/// one thread. Output errors are ignored: a closed terminal does not stop a run.
class Console {
 public:
  /// The stream stays the caller's. log_interval >= 1 counts for terminals only.
  Console(std::FILE* out, ConsoleStyle style, std::int64_t log_interval);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void opening(const RunOverview& overview);
  /// Losses of the steps before a resume (TrainLogRecovery), for the curve of the whole run.
  void earlier_losses(std::vector<double> losses);
  void step(const StepMetrics& metrics);
  void evaluation(const EvaluationReport& report);
  void checkpoint(const CheckpointReport& report);
  /// Any other line, put above the status line.
  void message(std::string_view text);
  void closing(const RunSummary& summary);

  /// Replaces the clock (seconds, monotonic) for tests.
  void set_clock(std::function<double()> now) { now_ = std::move(now); }

 private:
  enum class Paint : std::uint8_t { plain, bold, dim, good, notice, warning };

  [[nodiscard]] std::string painted(std::string_view text, Paint paint) const;
  [[nodiscard]] std::string header_line() const;
  [[nodiscard]] std::string step_line(const StepMetrics& metrics) const;
  [[nodiscard]] std::string status_line(const StepMetrics& metrics) const;
  void print_line(std::string_view text);  // clears the status line, prints, redraws it
  void draw_status(std::string text);
  void clear_status();
  void choose_columns(const StepMetrics& first);

  std::FILE* out_;
  ConsoleStyle style_;
  std::int64_t log_interval_;
  std::function<double()> now_;
  TimeLeft time_left_;
  std::string status_;  // as drawn now; empty: none
  std::optional<double> last_draw_;
  double first_time_ = 0.0;               // when the first step of this process began
  double last_time_ = 0.0;                // when the last step ended
  std::int64_t lines_since_header_ = -1;  // -1: no header yet
  bool gigaflops_ = false;
  bool show_mfu_ = false;
  bool show_memory_ = false;
  int step_digits_ = 1;

  std::vector<double> losses_;
  std::int64_t steps_ = 0;  // of this process
  std::int64_t skipped_ = 0;
  std::int64_t last_step_ = 0;
  std::int64_t total_steps_ = 0;
  std::int64_t tokens_ = 0;
  double step_seconds_ = 0.0;
  std::optional<double> first_eval_;
  std::optional<double> last_eval_;
};

}  // namespace longhaul
