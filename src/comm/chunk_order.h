#pragma once

#include <cstdint>
#include <vector>

namespace longhaul {

// A stream of tokens is cut into 2 * cp equal chunks, and CP rank r owns chunks r and
// 2 * cp - 1 - r, in this order.

/// Where the chunks of all ranks go when they lie in rank order, as gathering them over CP leaves
/// them: chunk i belongs to place order[i] of the stream. cp 2: {0, 3, 1, 2}.
std::vector<std::int32_t> chunk_order(int cp);
/// The way back: chunk i of the stream belongs to place order[i] in rank order. cp 2: {0, 2, 3, 1}.
std::vector<std::int32_t> inverse_chunk_order(int cp);

}  // namespace longhaul
