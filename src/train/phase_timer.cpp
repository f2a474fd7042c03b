#include "train/phase_timer.h"

namespace longhaul {

void PhaseTimer::record() {
  if (used_ == events_.size()) events_.push_back(backend_.create_event());
  backend_.record(events_[used_++], backend_.compute_stream());
}

void PhaseTimer::start() {
  used_ = 0;
  phases_.clear();
  record();
}

void PhaseTimer::mark(double PhaseSeconds::*phase) {
  phases_.push_back(phase);
  record();
}

PhaseSeconds PhaseTimer::finish() {
  PhaseSeconds seconds;
  backend_.synchronize(events_[used_ - 1]);
  for (std::size_t i = 0; i < phases_.size(); ++i) {
    seconds.*phases_[i] += backend_.seconds_between(events_[i], events_[i + 1]);
  }
  return seconds;
}

}  // namespace longhaul
