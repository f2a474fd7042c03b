#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/options/choices.h"

namespace longhaul {

/// What becomes of a sample with more than max_length tokens (--truncation_strategy).
enum class TruncationStrategy : std::uint8_t {
  remove,      // it is not trained on
  keep_end,    // its beginning is cut off
  keep_begin,  // its end is cut off
  stop,        // the run ends
};

inline constexpr std::array<Choice<TruncationStrategy>, 4> kTruncationStrategies{
    {{TruncationStrategy::remove, "delete"},
     {TruncationStrategy::keep_end, "left"},
     {TruncationStrategy::keep_begin, "right"},
     {TruncationStrategy::stop, "error"}}};

/// The strategy of a flag's value. Throws UserError for an unknown one.
TruncationStrategy parse_truncation_strategy(std::string_view text);
std::string_view name_of(TruncationStrategy strategy);

enum class LengthVerdict : std::uint8_t {
  whole,         // kept as it is
  cut,           // kept in part
  too_long,      // not kept
  loss_cut_off,  // not kept: what would be left has no trained token
};

/// What is kept of a sample: `length` tokens from `begin` on; none when it is not kept.
struct KeptPart {
  LengthVerdict verdict = LengthVerdict::whole;
  std::int64_t begin = 0;
  std::int64_t length = 0;
};

/// first_trained, last_trained: index of the first and last token of the sample that carries loss.
/// The first token that is kept cannot carry loss, as nothing is left to predict it from. `stop`
/// is treated like `remove` here.
KeptPart apply_length_policy(std::int64_t length, std::int64_t first_trained,
                             std::int64_t last_trained, std::int64_t max_length,
                             TruncationStrategy strategy);

}  // namespace longhaul
