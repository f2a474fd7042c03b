#include "watchdog/watchdog.h"

#include "watchdog/watch.h"

namespace longhaul {

Watchdog::Watchdog(Coordinator& coordinator, const HangLimits& limits, std::string command,
                   const Log& log) {
  if (!(limits.comm > 0) || coordinator.size() == 1) return;
  if (coordinator.rank() == 0) {
    watch_ = make_first_rank_watch(coordinator, limits, std::move(command), log);
  } else {
    watch_ = make_other_rank_watch(coordinator, limits, std::move(command), log);
  }
}

Watchdog::~Watchdog() = default;

void Watchdog::set_layout(const ParallelLayout& layout) {
  if (watch_) watch_->set_layout(layout);
}

void Watchdog::set_failure_file(FailureFile* file) {
  if (watch_) watch_->set_failure_file(file);
}

}  // namespace longhaul
