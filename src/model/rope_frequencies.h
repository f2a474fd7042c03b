#pragma once

#include <vector>

#include "model/model_config.h"

namespace longhaul {

/// What turns positions into rotations: angle(position, i) = position * inverse[i], and both cosine
/// and sine are multiplied by attention_factor.
struct RopeFrequencies {
  std::vector<float> inverse;  // [head_dim / 2], radians per token
  float attention_factor = 1.0F;
};

/// inverse[i] = theta^(-2i / head_dim), scaled as YaRN (Peng et al. 2023, arXiv 2309.00071) says
/// when the configuration asks for it. Computed in float32 step by step as Hugging Face
/// transformers does, so that positions of 100,000 tokens get the same angles.
RopeFrequencies rope_frequencies(const ModelConfig& config);

}  // namespace longhaul
