#include "train/optimizer/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace longhaul {

DecayStyle parse_decay_style(std::string_view text) {
  return parse_choice("lr_decay_style", text, kDecayStyles);
}

double LearningRateSchedule::at(std::int64_t before, std::int64_t with) const {
  const auto ramp = static_cast<double>(with);
  if (ramp <= warmup_packs) return lr * ramp / warmup_packs;
  if (style == DecayStyle::constant) return lr;
  const double span = total_packs - warmup_packs;
  const double ratio =
      span > 0 ? std::clamp((static_cast<double>(before) - warmup_packs) / span, 0.0, 1.0) : 0.0;
  const double share =
      style == DecayStyle::linear ? 1.0 - ratio : 0.5 * (1.0 + std::cos(std::numbers::pi * ratio));
  return min_lr + share * (lr - min_lr);
}

}  // namespace longhaul
