#pragma once

#include "model/model_config.h"

namespace longhaul::testing {

/// A Qwen3 model that steps in milliseconds.
inline ModelConfig tiny_model() {
  return ModelConfig::parse(R"({
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": false,
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 250,
    "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
    "tie_word_embeddings": false, "hidden_act": "silu"})",
                            "the tiny model");
}

}  // namespace longhaul::testing
