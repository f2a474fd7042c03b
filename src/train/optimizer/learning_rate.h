#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/options/choices.h"

namespace longhaul {

enum class DecayStyle : std::uint8_t { constant, linear, cosine };

inline constexpr std::array<Choice<DecayStyle>, 3> kDecayStyles{
    {{DecayStyle::cosine, "cosine"},
     {DecayStyle::linear, "linear"},
     {DecayStyle::constant, "constant"}}};

/// Throws UserError for anything but these names.
DecayStyle parse_decay_style(std::string_view text);

/// Learning rate as Megatron computes it, counted in consumed packs: linear warm-up from 0 to `lr`,
/// then decay towards min_lr, which the count reaches after the last update. An update uses the
/// count before its own packs, with one difference, on purpose: warm-up uses the count after them,
/// so that the first update's rate is not zero.
struct LearningRateSchedule {
  double lr = 1e-5;
  double min_lr = 0.0;
  DecayStyle style = DecayStyle::cosine;
  double warmup_packs = 0.0;
  double total_packs = 0.0;

  /// The rate of an update: packs consumed before it, and with it.
  [[nodiscard]] double at(std::int64_t before, std::int64_t with) const;
};

}  // namespace longhaul
