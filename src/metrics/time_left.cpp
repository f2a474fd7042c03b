#include "metrics/time_left.h"

#include <algorithm>
#include <vector>

namespace longhaul {
namespace {

constexpr std::size_t kRecentSteps = 31;  // odd: the median is one of them

}  // namespace

void TimeLeft::add(double step_seconds, double wall_seconds) {
  if (steps_ == 1) recent_.clear();  // the first step warms up; it counts only while it is alone
  recent_.push_back(step_seconds);
  if (recent_.size() > kRecentSteps) recent_.pop_front();
  between_seconds_ += std::max(0.0, wall_seconds - step_seconds);
  ++steps_;
}

std::optional<double> TimeLeft::seconds(std::int64_t remaining_steps) const {
  if (recent_.empty()) return std::nullopt;
  std::vector<double> sorted(recent_.begin(), recent_.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const double between = between_seconds_ / static_cast<double>(steps_);
  return static_cast<double>(std::max<std::int64_t>(remaining_steps, 0)) * (*middle + between);
}

}  // namespace longhaul
