#pragma once

#include <vector>

#include "metrics/step_metrics.h"
#include "runtime/runtime.h"

namespace longhaul {

/// How long the phases of a step took on the device: marks in the compute stream, read when all of
/// them have been reached, so that measuring makes nobody wait. What a phase spent on waiting for
/// other ranks (Runtime::exposed_comm) is moved to `communication`.
class PhaseTimer {
 public:
  explicit PhaseTimer(Runtime& runtime) : device_(runtime.device), waits_(*runtime.exposed_comm) {}

  /// The step begins.
  void start();
  /// What was issued since the last mark belongs to `phase`.
  void mark(double PhaseSeconds::*phase);
  /// Waits for the last mark.
  [[nodiscard]] PhaseSeconds finish();

 private:
  struct Phase {
    double PhaseSeconds::*seconds;
    std::size_t waits_end;  // intervals of waits_ up to its mark
  };

  void record();

  Device& device_;
  CommunicationTimer& waits_;
  std::vector<Event> events_;  // grows to the longest step, then stays
  std::vector<Phase> phases_;
  std::size_t used_ = 0;
};

}  // namespace longhaul
