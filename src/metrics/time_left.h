#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace longhaul {

/// Estimates how long the remaining steps take: the median of recent steps, so that a slow first
/// step (allocation, page faults) or one disturbed step does not shake it, plus the mean time spent
/// between steps (evaluation, checkpoints), which comes in rare big pieces.
class TimeLeft {
 public:
  /// A step ended that took step_seconds; wall_seconds passed since the previous step's end (for
  /// the first: pass step_seconds).
  void add(double step_seconds, double wall_seconds);
  /// Seconds for that many more steps; nothing before the first step.
  [[nodiscard]] std::optional<double> seconds(std::int64_t remaining_steps) const;

 private:
  std::deque<double> recent_;
  double between_seconds_ = 0.0;
  std::int64_t steps_ = 0;
};

}  // namespace longhaul
