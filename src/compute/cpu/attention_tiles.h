#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compute/workspace_shape.h"
#include "core/tensor/matrix.h"

namespace longhaul::cpu {

/// How attention is cut up. A tile is a block of consecutive queries of one segment, for all query
/// heads of one key/value head: its rows are [group head][query], so that one matrix product serves
/// the whole group. It meets the keys in blocks of kKeyBlock; scores exist for one block at a time.
struct TileShape {
  static constexpr std::int64_t kTargetRows = 128;
  static constexpr std::int64_t kKeyBlock = 256;

  explicit TileShape(const AttentionHeads& heads);

  std::int64_t group;    // query heads on one key/value head
  std::int64_t queries;  // queries in a full tile
  std::int64_t rows;     // group * queries
  std::int64_t head_dim;
};

/// One tile: queries first .. first + queries of a segment (counted within the segment).
struct AttentionTile {
  AttentionSegment segment;
  std::int64_t first;
  std::int64_t queries;

  /// The first query's row in the local stream.
  [[nodiscard]] std::int64_t row() const { return segment.q_begin + first; }
  /// Keys that query `query` (counted within the tile) sees.
  [[nodiscard]] std::int64_t visible_keys(std::int64_t query) const {
    return segment.kv_len - segment.q_len + first + query + 1;
  }
  /// Keys that the tile's last query sees: what the tile has to look at.
  [[nodiscard]] std::int64_t keys() const { return visible_keys(queries - 1); }
};

/// Fails unless every segment lies within the streams and the views have the heads' shapes.
void check_attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                     std::span<const AttentionSegment> segments, const AttentionHeads& heads);

/// starts [segments + 1]: the number of the first tile of each segment, and the number of all
/// tiles.
void count_tiles(std::span<const AttentionSegment> segments, const TileShape& shape,
                 std::vector<std::int64_t>& starts);
AttentionTile find_tile(std::span<const AttentionSegment> segments, const TileShape& shape,
                        const std::vector<std::int64_t>& starts, std::int64_t number);

/// A thread's working memory, cut from the workspace. Sizes: rows x head_dim for the first three,
/// rows x kKeyBlock for the next two, rows for the rest.
struct TileScratch {
  TileScratch(std::byte* memory, const TileShape& shape);
  static std::size_t bytes(const TileShape& shape);

  float* q;
  float* d_o;
  float* out;  // o, or dq
  float* scores;
  float* d_scores;
  float* lse;    // or the running maximum
  float* delta;  // sum over the head of o * d_o
  double* sums;
};

/// Into how many interleaved sets attention_backward divides the key blocks, so that
/// kv_heads * sets tasks keep all threads busy. Each set but the first has its own dq.
int key_sets(int threads, const AttentionHeads& heads);

/// Bytes of workspace that attention needs with so many threads.
std::size_t workspace_bytes(int threads, const WorkspaceShape& shape);

}  // namespace longhaul::cpu
