#pragma once

// What a cuDNN plan for attention is built for.

#include <compare>
#include <cstdint>

#include "compute/cuda/cudnn/cudnn_groups.h"
#include "compute/cuda/cudnn/cudnn_metadata.h"

namespace longhaul::cudnn {

enum class Direction : std::uint8_t { forward, backward };

/// Everything that a plan is built for.
struct PlanShape {
  Direction direction = Direction::forward;
  Mask mask = Mask::bottom_right;
  std::int32_t batch = 1;
  std::int32_t max_q = 0;   // rows of the longest segment
  std::int32_t max_kv = 0;  // keys of the longest segment
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  float scale = 0.0F;
  /// Backward: no row of q, k, ... that the offsets lead to is at or beyond these; they size the
  /// temporaries of the plan.
  std::int64_t total_q = 0;
  std::int64_t total_kv = 0;
  RowStrides strides{};  // heads lie next to each other, head_dim elements apart; stats: 1 apart
  auto operator<=>(const PlanShape&) const = default;
};

}  // namespace longhaul::cudnn
