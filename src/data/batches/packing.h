#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/options/choices.h"

namespace longhaul {

/// Samples that are trained on together: laid end to end they are at most max_length tokens.
struct Pack {
  std::vector<std::int64_t> samples;  // never empty
  std::int64_t tokens = 0;
  std::int64_t sum_squared_lengths = 0;
};

/// What documents cost to train on, as far as their lengths tell: sum of len^2 + 65536 len, because
/// attention costs as much as all matrix products of a large model at about 64k tokens. An
/// estimate, used for sharing work alone.
constexpr std::int64_t length_cost(std::int64_t tokens, std::int64_t sum_squared_lengths) {
  constexpr std::int64_t kBalancedLength = 65536;
  return sum_squared_lengths + kBalancedLength * tokens;
}
inline std::int64_t pack_cost(const Pack& pack) {
  return length_cost(pack.tokens, pack.sum_squared_lengths);
}

enum class PackingMode : std::uint8_t {
  first_fit_decreasing,
  balanced,    // the same packs, arranged to share work evenly
  one_sample,  // each sample is a pack
};

inline constexpr std::array<Choice<PackingMode>, 3> kPackingModes{
    {{PackingMode::first_fit_decreasing, "true"},
     {PackingMode::balanced, "balanced"},
     {PackingMode::one_sample, "false"}}};

/// The mode of a flag's value; true and false may be spelled as in any flag of that type. Throws
/// UserError for an unknown one.
PackingMode parse_packing(std::string_view text);
std::string_view name_of(PackingMode mode);

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
/// The order within a pack is for context parallelism, which gives rank r the chunks r and
/// 2 cp - 1 - r of the stream, so that each rank has an early and a late piece of it. By ascending
/// length (ties: by sample index) in mode first_fit_decreasing: work that grows along the stream is
/// shared well. In mode balanced the samples of this order go to the middle one after the other,
/// the longest last to the end, the second longest first, the third longest last but one, and so
/// on: a long sample's dear late rows then meet the cheap early rows of one of about its length.
std::vector<Pack> pack_samples(std::span<const std::int64_t> samples,
                               std::span<const std::int64_t> lengths, std::int64_t max_length,
                               PackingMode mode, std::int64_t window = kPackingWindow);

}  // namespace longhaul
