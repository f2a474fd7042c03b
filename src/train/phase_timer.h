#pragma once

#include <vector>

#include "compute/backend.h"
#include "metrics/step_metrics.h"

namespace longhaul {

/// How long the phases of a step took on the device: marks in the compute stream, read when all of
/// them have been reached, so that measuring makes nobody wait.
class PhaseTimer {
 public:
  explicit PhaseTimer(Backend& backend) : backend_(backend) {}

  /// The step begins.
  void start();
  /// What was issued since the last mark belongs to `phase`.
  void mark(double PhaseSeconds::*phase);
  /// Waits for the last mark.
  [[nodiscard]] PhaseSeconds finish();

 private:
  void record();

  Backend& backend_;
  std::vector<Event> events_;  // grows to the longest step, then stays
  std::vector<double PhaseSeconds::*> phases_;
  std::size_t used_ = 0;
};

}  // namespace longhaul
