#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace longhaul {

struct SampleSplit {
  std::vector<std::int64_t> training;    // ascending
  std::vector<std::int64_t> validation;  // ascending
};

/// Sets max(int(n * ratio), 1) of the n `samples` aside for validation when ratio > 0, but leaves
/// at least one for training: the first that many of random_order(n, seed, validation_split, 0).
/// The result depends on the arguments alone. Throws UserError unless 0 <= ratio < 1.
SampleSplit split_samples(std::span<const std::int64_t> samples, double ratio, std::uint64_t seed);

}  // namespace longhaul
