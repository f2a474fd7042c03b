#pragma once

namespace longhaul {

/// What is known of one row after looking at this rank's part of the vocabulary.
/// Stored as three consecutive floats: row maximum, sum of exp(logit - maximum), and the target's
/// logit (or -infinity when the target is not in this part).
inline constexpr int kCrossEntropyPartials = 3;

}  // namespace longhaul
