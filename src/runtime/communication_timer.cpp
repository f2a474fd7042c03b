#include "runtime/communication_timer.h"

namespace longhaul {

void CommunicationTimer::start() {
  used_ = 0;
  running_ = true;
}

void CommunicationTimer::mark() {
  if (!running_) return;
  if (used_ == events_.size()) events_.push_back(device_.create_event());
  device_.record(events_[used_++], device_.compute_stream());
}

double CommunicationTimer::seconds(std::size_t first, std::size_t last) const {
  double sum = 0.0;
  for (std::size_t i = first; i < last; ++i) {
    sum += device_.seconds_between(events_[2 * i], events_[2 * i + 1]);
  }
  return sum;
}

}  // namespace longhaul
