#pragma once

// What the attention kernels read of a FlashAttentionPlan: three arrays of four int32 each, one
// after the other.

#include <algorithm>
#include <cstdint>

#include "core/attention_shape.h"
#include "core/rounding.h"
#include "kernels/attention/flash_attention.h"

namespace longhaul::kernels::flash {

inline constexpr int kQueryTile = 128;
inline constexpr int kKeyBlock = 128;

/// Consecutive queries of one segment. Query i of the tile sees the keys kv_begin to kv_begin +
/// visible + i, without the last.
struct alignas(16) QueryTile {
  std::int32_t q_begin;
  std::int32_t rows;  // 1 .. kQueryTile
  std::int32_t kv_begin;
  std::int32_t visible;  // at least 1
};

/// Consecutive keys of the stream, each of them in some segment. Only the `segments` segments from
/// first_segment on can have them; not all of those need to.
struct alignas(16) KeyBlock {
  std::int32_t begin;
  std::int32_t count;  // 1 .. kKeyBlock
  std::int32_t first_segment;
  std::int32_t segments;
};

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

/// With fewer (key block, head) pairs than this, the query heads of a group are divided among
/// several blocks of threads, whose parts of dk and dv are then added: twice the multiprocessors of
/// an H100, so that long and short blocks balance. A constant, so that results do not depend on the
/// card.
inline constexpr std::int64_t kEnoughKeyBlocks = 264;

/// Into how many parts the query heads of one key/value head are divided: 1 .. heads / kv_heads.
inline int key_block_parts(std::int64_t key_blocks, const AttentionHeads& heads) {
  const std::int64_t have = std::max<std::int64_t>(1, key_blocks * heads.num_kv_heads);
  const std::int64_t wanted = ceil_div(kEnoughKeyBlocks, have);
  return static_cast<int>(std::min<std::int64_t>(wanted, heads.num_q_heads / heads.num_kv_heads));
}

/// Bytes of delta [heads, Tq] fp32, padded to 16.
inline std::size_t delta_bytes(std::int64_t q_rows, const AttentionHeads& heads) {
  return round_up(static_cast<std::size_t>(q_rows * heads.num_q_heads) * sizeof(float), 16);
}
/// Bytes of the parts of dk and dv of so many (part, key block, head), fp32.
inline std::size_t parts_bytes(std::int64_t count, const AttentionHeads& heads) {
  return 2 * static_cast<std::size_t>(count * kKeyBlock * heads.head_dim) * sizeof(float);
}

}  // namespace longhaul::kernels::flash
