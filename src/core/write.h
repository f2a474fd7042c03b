#pragma once

#include <cstdint>

namespace longhaul {

/// Overwrite the destination or add to what it holds.
enum class Write : std::uint8_t { overwrite, accumulate };

}  // namespace longhaul
