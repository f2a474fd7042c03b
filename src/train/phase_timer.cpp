#include "train/phase_timer.h"

namespace longhaul {

void PhaseTimer::record() {
  if (used_ == events_.size()) events_.push_back(device_.create_event());
  device_.record(events_[used_++], device_.compute_stream());
}

void PhaseTimer::start() {
  used_ = 0;
  phases_.clear();
  waits_.start();
  record();
}

void PhaseTimer::mark(double PhaseSeconds::*phase) {
  phases_.push_back({phase, waits_.count()});
  record();
}

PhaseSeconds PhaseTimer::finish() {
  PhaseSeconds seconds;
  waits_.stop();
  device_.synchronize(events_[used_ - 1]);
  std::size_t first = 0;
  for (std::size_t i = 0; i < phases_.size(); ++i) {
    const double waited = waits_.seconds(first, phases_[i].waits_end);
    seconds.*phases_[i].seconds += device_.seconds_between(events_[i], events_[i + 1]) - waited;
    seconds.communication += waited;
    first = phases_[i].waits_end;
  }
  return seconds;
}

}  // namespace longhaul
