#pragma once

#include <cstdint>

namespace longhaul {

/// Overwrite the destination or add to what it holds.
enum class AccumulateMode : std::uint8_t { overwrite, accumulate };

}  // namespace longhaul
