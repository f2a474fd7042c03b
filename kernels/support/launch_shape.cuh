#pragma once

#include <algorithm>
#include <cstdint>

#include "core/rounding.h"

namespace longhaul::kernels {

/// Multiprocessors of an H100 or H200 SXM. Grids of kernels whose sums depend on the number of
/// blocks are sized by this constant, never by the device at hand: the same bits everywhere, and
/// scratch that can be planned without a device. Elsewhere it only costs evenness.
inline constexpr int kMultiprocessors = 132;

/// Enough blocks for `items` at `per_block`, but no more than `most`.
inline unsigned grid_size(std::int64_t items, std::int64_t per_block, std::int64_t most) {
  return static_cast<unsigned>(std::min(ceil_div(items, per_block), most));
}

}  // namespace longhaul::kernels
