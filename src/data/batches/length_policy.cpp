#include "data/batches/length_policy.h"

namespace longhaul {

TruncationStrategy parse_truncation_strategy(std::string_view text) {
  return parse_choice("truncation_strategy", text, kTruncationStrategies);
}

std::string_view name_of(TruncationStrategy strategy) {
  return name_in(kTruncationStrategies, strategy);
}

KeptPart apply_length_policy(std::int64_t length, std::int64_t first_trained,
                             std::int64_t last_trained, std::int64_t max_length,
                             TruncationStrategy strategy) {
  if (length <= max_length) return {LengthVerdict::whole, 0, length};
  switch (strategy) {
    case TruncationStrategy::keep_end: {
      const std::int64_t begin = length - max_length;
      if (last_trained <= begin) return {LengthVerdict::loss_cut_off, 0, 0};
      return {LengthVerdict::cut, begin, max_length};
    }
    case TruncationStrategy::keep_begin:
      if (first_trained >= max_length) return {LengthVerdict::loss_cut_off, 0, 0};
      return {LengthVerdict::cut, 0, max_length};
    case TruncationStrategy::remove:
    case TruncationStrategy::stop:
      break;
  }
  return {LengthVerdict::too_long, 0, 0};
}

}  // namespace longhaul
