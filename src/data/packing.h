#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace longhaul {

/// Samples that are trained on together: laid end to end they are at most max_length tokens.
struct Pack {
  std::vector<std::int64_t> samples;  // by ascending length, ties by sample index; never empty
  std::int64_t tokens = 0;
  std::int64_t sum_squared_lengths = 0;
};

enum class PackingMode : std::uint8_t {
  first_fit_decreasing,  // --packing true
  one_sample,            // --packing false: each sample is a pack
};

/// How many consecutive samples are packed together. Large enough that the unfilled rest of a
/// window does not matter, small enough that packing costs little time and memory.
inline constexpr std::int64_t kPackingWindow = 65536;

/// Puts every sample of `samples` (sample indices) whole into exactly one pack. lengths[i] is the
/// length of sample index i, at most max_length (longer ones must have been cut or deleted before:
/// InternalError).
///
/// Windows of `window` consecutive entries of `samples` are packed independently: the samples of a
/// window, longest first (ties: the smaller index first), each go into the first pack of the window
/// that has room. O(n log window). The result depends on the arguments alone.
///
/// In a pack the longest sample comes last, because context parallelism gives each rank an early
/// and a late piece of the stream: work that grows along the stream is shared most evenly.
std::vector<Pack> pack_samples(std::span<const std::int64_t> samples,
                               std::span<const std::int64_t> lengths, std::int64_t max_length,
                               PackingMode mode, std::int64_t window = kPackingWindow);

}  // namespace longhaul
