#include "train/stragglers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace longhaul {
namespace {

constexpr std::int64_t kFewestSlowSteps = 3;  // one slow step can be anything
// Steps of a few milliseconds differ by the whims of the scheduler.
constexpr double kLeastExcess = 0.02;  // seconds a step

}  // namespace

StragglerWatch::StragglerWatch(double factor, std::int64_t interval, std::vector<std::string> hosts)
    : factor_(factor), interval_(interval), hosts_(std::move(hosts)), ranks_(hosts_.size()) {}

std::optional<ComputeSpread> StragglerWatch::add(std::int64_t step,
                                                 std::span<const RankStep> ranks) {
  if (!(factor_ > 0) || ranks_.size() < 2) return std::nullopt;
  for (std::size_t i = 0; i < ranks_.size(); ++i) ranks_[i].seconds += ranks[i].compute_seconds;
  ++steps_;
  if (steps_ < interval_ && step % interval_ != 0) return std::nullopt;

  const std::int64_t steps = std::exchange(steps_, 0);
  std::vector<double> seconds;
  for (Rank& rank : ranks_) {
    seconds.push_back(std::exchange(rank.seconds, 0.0) / static_cast<double>(steps));
  }
  ComputeSpread spread;
  const auto slowest = std::max_element(seconds.begin(), seconds.end());
  spread.slowest_seconds = *slowest;
  spread.slowest_rank = static_cast<int>(slowest - seconds.begin());
  // The lower one of two: of two ranks the faster one is the measure.
  std::vector<double> sorted = seconds;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  spread.median_seconds = *middle;

  message_.clear();
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    Rank& rank = ranks_[i];
    const double excess = seconds[i] - spread.median_seconds;
    if (excess < kLeastExcess || seconds[i] < factor_ * spread.median_seconds) {
      rank.slow_steps = 0;
      rank.told_steps = 0;
      continue;
    }
    rank.slow_steps += steps;
    const double ratio = seconds[i] / std::max(spread.median_seconds, 1e-9);
    spread.stragglers.push_back({static_cast<int>(i), hosts_[i], ratio, rank.slow_steps});
    if (rank.slow_steps < std::max(kFewestSlowSteps, 2 * rank.told_steps)) continue;
    rank.told_steps = rank.slow_steps;
    message_ += fmt::format(
        "{}rank {} on {} is slow: {:.2f} s of computing a step, {:.1f} times the median, for {} "
        "steps in a row",
        message_.empty() ? "straggler: " : "; ", i, hosts_[i], seconds[i], ratio, rank.slow_steps);
  }
  return spread;
}

std::string StragglerWatch::take_message() { return std::exchange(message_, {}); }

}  // namespace longhaul
