#include "train/run_reporter.h"

#include <fmt/format.h>

#include <cstdio>

namespace longhaul {

RunReporter::RunReporter(const std::filesystem::path& save, std::int64_t resume_step,
                         std::int64_t log_interval)
    : save_(save),
      console_(stdout, detect_console_style(stdout), log_interval),
      log_(save / "train_log.jsonl", resume_step),
      events_(save / "runs", resume_step) {
  const TrainLogRecovery& found = log_.recovery();
  if (found.damaged > 0 || found.missing > 0) {
    console_.message(fmt::format("{}: {} damaged and {} missing lines before step {}",
                                 log_.path().string(), found.damaged, found.missing, resume_step));
  }
  console_.earlier_losses(found.losses);
}

void RunReporter::opening(const RunOverview& overview, const std::string& config) {
  console_.opening(overview);
  events_.add_text("config", "```json\n" + config + "\n```", overview.resume_step);
  events_.flush();
}

void RunReporter::step(const StepMetrics& metrics) {
  log_.write(metrics);
  events_.write_step(metrics);
  console_.step(metrics);
}

void RunReporter::sync() {
  log_.sync();
  events_.flush();
}

void RunReporter::closing(RunSummary summary) {
  summary.tensorboard_path = (save_ / "runs").string();
  summary.log_path = log_.path().string();
  sync();
  events_.close();
  console_.closing(summary);
}

}  // namespace longhaul
