#pragma once

// Sizes of what the attention kernels work on. Host arithmetic only, without CUDA's headers, so
// that memory can be planned on a machine without a GPU.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/tensor/attention_shape.h"

namespace longhaul::kernels {
namespace flash {

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

/// With fewer (key block, head) pairs than this, the query heads of a group are divided among
/// several blocks of threads, whose parts of dk and dv are then added: twice the multiprocessors of
/// an H100, so that long and short blocks balance. A constant, so that results do not depend on the
/// card.
inline constexpr std::int64_t kEnoughKeyBlocks = 264;

/// Bytes of delta [heads, Tq] fp32, padded to 16.
inline std::size_t delta_bytes(std::int64_t q_rows, const AttentionHeads& heads) {
  return (static_cast<std::size_t>(q_rows * heads.num_q_heads) * sizeof(float) + 15) / 16 * 16;
}
/// Bytes of the parts of dk and dv of so many (part, key block, head), fp32.
inline std::size_t parts_bytes(std::int64_t count, const AttentionHeads& heads) {
  return 2 * static_cast<std::size_t>(count * kKeyBlock * heads.head_dim) * sizeof(float);
}

}  // namespace flash

/// The most bytes that a plan's metadata has. A segment has one query at least, so max_tokens
/// bounds the number of segments when nothing better is known.
[[nodiscard]] inline std::size_t flash_attention_metadata_bytes(std::int64_t max_tokens,
                                                                std::int64_t max_keys,
                                                                std::int64_t max_segments) {
  // Each segment ends in one tile and one block at most that are not full.
  const std::int64_t entries =
      max_tokens / flash::kQueryTile + max_keys / flash::kKeyBlock + 3 * max_segments;
  return static_cast<std::size_t>(entries) * sizeof(flash::QueryTile);
}

/// Device memory that the backward pass works in, for streams of up to max_tokens queries and
/// max_keys keys: delta [heads, Tq] fp32 and, when there are too few key blocks to fill a GPU, fp32
/// parts of dk and dv. The forward pass needs none. Aligned to 16 bytes.
[[nodiscard]] inline std::size_t flash_attention_workspace_bytes(std::int64_t max_tokens,
                                                                 std::int64_t max_keys,
                                                                 const AttentionHeads& heads) {
  // Parts are only made of fewer than kEnoughKeyBlocks (block, head) pairs, and then there are
  // fewer than twice as many of them; and never more than there are query heads on all blocks.
  const std::int64_t most_blocks = max_keys / flash::kKeyBlock + max_tokens;
  const std::int64_t most_parts =
      std::min(2 * flash::kEnoughKeyBlocks, most_blocks * std::int64_t{heads.num_q_heads});
  return flash::delta_bytes(max_tokens, heads) + flash::parts_bytes(most_parts, heads);
}

}  // namespace longhaul::kernels
