#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "metrics/step_metrics.h"
#include "train/step_exchange.h"

namespace longhaul {

/// Finds ranks that compute slower than the others and so keep them waiting. What counts is the
/// time that a rank computes, not its step time: that is the same for all, because they wait for
/// each other.
class StragglerWatch {
 public:
  /// factor: slower than the median by this makes a straggler; 0: none is looked for. interval:
  /// steps that are looked at together. hosts: of all ranks.
  StragglerWatch(double factor, std::int64_t interval, std::vector<std::string> hosts);

  /// Every rank's report of one more step. After `interval` steps: how they spread.
  std::optional<ComputeSpread> add(std::int64_t step, std::span<const RankStep> ranks);

  /// What to tell the user about the last spread; empty: nothing new. A straggler is named after
  /// three slow steps, then each time twice as many have gone by.
  [[nodiscard]] std::string take_message();

 private:
  struct Rank {
    double seconds = 0.0;         // in the interval so far
    std::int64_t slow_steps = 0;  // in a row, up to now
    std::int64_t told_steps = 0;  // when it was named last
  };

  double factor_;
  std::int64_t interval_;
  std::vector<std::string> hosts_;
  std::vector<Rank> ranks_;
  std::int64_t steps_ = 0;  // in the interval so far
  std::string message_;
};

}  // namespace longhaul
