#include "data/batches/sample_split.h"

#include <algorithm>

#include "core/error.h"
#include "data/batches/random_order.h"

namespace longhaul {

SampleSplit split_samples(std::span<const std::int64_t> samples, double ratio, std::uint64_t seed) {
  if (!(ratio >= 0.0 && ratio < 1.0)) {
    user_error("--split_dataset_ratio {} must be at least 0 and below 1", ratio);
  }
  const auto count = static_cast<std::int64_t>(samples.size());
  std::int64_t aside = 0;
  if (ratio > 0.0) {
    aside =
        std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(count) * ratio), 1);
    aside = std::min(aside, std::max<std::int64_t>(count - 1, 0));
  }
  std::vector<bool> is_aside(samples.size(), false);
  if (aside > 0) {
    const std::vector<std::int64_t> order =
        random_order(count, seed, OrderPurpose::validation_split, 0);
    for (std::int64_t i = 0; i < aside; ++i) {
      is_aside[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
    }
  }
  SampleSplit split;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    (is_aside[i] ? split.validation : split.training).push_back(samples[i]);
  }
  std::sort(split.training.begin(), split.training.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

}  // namespace longhaul
