#pragma once

#include <cstdint>
#include <string_view>

namespace longhaul {

enum class DecayStyle : std::uint8_t { constant, linear, cosine };

/// Throws UserError for anything but constant, linear or cosine.
DecayStyle parse_decay_style(std::string_view text);

/// Learning rate as Megatron computes it, counted in consumed packs: linear warm-up from 0 to `lr`,
/// then decay to min_lr at the last pack. One difference, on purpose: an update uses the count
/// after its own packs, so the first update's rate is not zero and the last one's is min_lr.
struct LearningRateSchedule {
  double lr = 1e-5;
  double min_lr = 0.0;
  DecayStyle style = DecayStyle::cosine;
  double warmup_packs = 0.0;
  double total_packs = 0.0;

  /// consumed: packs of all updates up to and including this one, 1 .. total_packs.
  [[nodiscard]] double at(std::int64_t consumed) const;
};

}  // namespace longhaul
