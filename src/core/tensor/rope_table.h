#pragma once

#include <cstdint>

namespace longhaul {

enum class RopeDirection : std::uint8_t { forward, backward };

/// cos and sin [max_position, head_dim / 2] fp32, device memory, already multiplied by YaRN's
/// attention factor.
struct RopeTable {
  const float* cos = nullptr;
  const float* sin = nullptr;
  std::int64_t max_position = 0;
};

}  // namespace longhaul
