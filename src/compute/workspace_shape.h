#pragma once

#include <cstdint>

#include "core/tensor/attention_shape.h"

namespace longhaul {

/// What the ops' workspace is planned for.
struct WorkspaceShape {
  std::int64_t max_tokens = 0;  // local rows of queries
  std::int64_t max_keys = 0;    // gathered rows of keys
  AttentionHeads heads;
};

}  // namespace longhaul
