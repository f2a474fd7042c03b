#pragma once

// What the attention kernels read of a FlashAttentionPlan: three arrays of four int32 each, one
// after the other.

#include <algorithm>
#include <cstdint>

#include "core/rounding.h"
#include "core/tensor/attention_shape.h"
#include "kernels/attention/flash_attention.h"
#include "kernels/attention/flash_attention_sizes.h"

namespace longhaul::kernels::flash {

/// The plan's arrays in device memory.
struct PlanArrays {
  const QueryTile* query_tiles;      // longest first
  const KeyBlock* key_blocks;        // longest first
  const AttentionSegment* segments;  // by kv_begin

  PlanArrays(const std::int32_t* metadata, const FlashAttentionPlan& plan)
      : query_tiles(reinterpret_cast<const QueryTile*>(metadata)),
        key_blocks(reinterpret_cast<const KeyBlock*>(query_tiles + plan.query_tiles)),
        segments(reinterpret_cast<const AttentionSegment*>(key_blocks + plan.key_blocks)) {}
};

/// How global memory is read and written: 16 bytes at a time, or element by element where addresses
/// do not allow that.
enum class Access : std::uint8_t { packs, elements };

/// Into how many parts the query heads of one key/value head are divided: 1 .. heads / kv_heads.
inline int key_block_parts(std::int64_t key_blocks, const AttentionHeads& heads) {
  const std::int64_t have = std::max<std::int64_t>(1, key_blocks * heads.num_kv_heads);
  const std::int64_t wanted = ceil_div(kEnoughKeyBlocks, have);
  return static_cast<int>(std::min<std::int64_t>(wanted, heads.num_q_heads / heads.num_kv_heads));
}

}  // namespace longhaul::kernels::flash
