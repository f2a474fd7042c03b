#include "model/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace longhaul {
namespace {

/// theta^(2i / head_dim) in float32: the wavelength of pair i over 2 pi. The power is computed in
/// double and rounded once, which is within one unit in the last place of any float32 power.
float position_frequency(double theta, std::size_t pair, std::int64_t head_dim) {
  const float exponent = static_cast<float>(2 * pair) / static_cast<float>(head_dim);
  return static_cast<float>(
      std::pow(static_cast<double>(static_cast<float>(theta)), static_cast<double>(exponent)));
}

/// YaRN's attention temperature (paper, equation 22): 0.1 m ln(s) + 1.
double magnitude_scale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const RopeConfig& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  if (rope.mscale && rope.mscale_all_dim) {
    return magnitude_scale(rope.factor, *rope.mscale) /
           magnitude_scale(rope.factor, *rope.mscale_all_dim);
  }
  return magnitude_scale(rope.factor, 1.0);
}

/// The (fractional) pair whose wavelength fits `rotations` times into the original length.
double correction_pair(double rotations, const RopeConfig& rope, std::int64_t head_dim) {
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  return static_cast<double>(head_dim) * std::log(original / (rotations * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(rope.theta));
}

/// Pairs up to `low` keep their frequency, those from `high` on are slowed down by the whole
/// factor, and between them the two are mixed linearly.
struct Ramp {
  double low;
  double high;

  Ramp(const RopeConfig& rope, std::int64_t head_dim)
      : low(correction_pair(rope.beta_fast, rope, head_dim)),
        high(correction_pair(rope.beta_slow, rope, head_dim)) {
    if (rope.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(head_dim - 1));
    if (low == high) high += 0.001;  // avoids a division by zero
  }

  [[nodiscard]] float operator()(std::size_t pair) const {
    const float position =
        (static_cast<float>(pair) - static_cast<float>(low)) / static_cast<float>(high - low);
    return std::clamp(position, 0.0F, 1.0F);
  }
};

}  // namespace

RopeFrequencies rope_frequencies(const ModelConfig& config) {
  const RopeConfig& rope = config.rope;
  RopeFrequencies result;
  result.inverse.resize(static_cast<std::size_t>(config.head_dim / 2));
  for (std::size_t pair = 0; pair < result.inverse.size(); ++pair) {
    result.inverse[pair] = 1.0F / position_frequency(rope.theta, pair, config.head_dim);
  }
  if (rope.scaling == RopeScaling::none) return result;

  const Ramp ramp(rope, config.head_dim);
  for (std::size_t pair = 0; pair < result.inverse.size(); ++pair) {
    const float slowed = 1.0F / (static_cast<float>(rope.factor) *
                                 position_frequency(rope.theta, pair, config.head_dim));
    const float kept_share = 1.0F - ramp(pair);
    result.inverse[pair] = slowed * (1.0F - kept_share) + result.inverse[pair] * kept_share;
  }
  result.attention_factor = static_cast<float>(yarn_attention_factor(rope));
  return result;
}

}  // namespace longhaul
