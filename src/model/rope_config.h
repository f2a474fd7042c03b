#pragma once

#include "model/config_json.h"
#include "model/model_config.h"

namespace longhaul {

/// Reads the rotary position embedding out of a config.json: `rope_theta` and `rope_scaling` of
/// older transformers, `rope_parameters` of transformers 5, or both when they agree. Throws
/// UserError for kinds other than the plain one and YaRN.
RopeConfig parse_rope(const ConfigObject& config, std::int64_t max_position_embeddings);

}  // namespace longhaul
