#include "compute/cpu/attention_tiles.h"

#include <algorithm>
#include <numeric>

#include "compute/cpu/checks.h"
#include "core/arena.h"

namespace longhaul::cpu {
namespace {

/// Floats rounded up so that the next array starts at a multiple of Arena::kAlignment.
std::size_t padded(std::int64_t count) {
  constexpr std::size_t kUnit = Arena::kAlignment / sizeof(float);
  return (static_cast<std::size_t>(count) + kUnit - 1) / kUnit * kUnit;
}

}  // namespace

TileShape::TileShape(const AttentionHeads& heads)
    : group(heads.num_q_heads / heads.num_kv_heads),
      queries(std::max<std::int64_t>(1, kTargetRows / group)),
      rows(group * queries),
      head_dim(heads.head_dim) {}

void check_attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                     std::span<const AttentionSegment> segments, const AttentionHeads& heads) {
  LONGHAUL_CHECK(heads.num_q_heads > 0 && heads.num_kv_heads > 0 &&
                     heads.num_q_heads % heads.num_kv_heads == 0,
                 "attention: {} heads on {} key/value heads", heads.num_q_heads,
                 heads.num_kv_heads);
  check_matrix(q, q.rows, std::int64_t{heads.num_q_heads} * heads.head_dim, "attention", "q");
  check_matrix(k, k.rows, std::int64_t{heads.num_kv_heads} * heads.head_dim, "attention", "k");
  check_matrix(v, k.rows, k.cols, "attention", "v");
  for (const AttentionSegment& s : segments) {
    LONGHAUL_CHECK(s.q_len >= 1 && s.kv_len >= s.q_len && s.q_begin >= 0 && s.kv_begin >= 0 &&
                       std::int64_t{s.q_begin} + s.q_len <= q.rows &&
                       std::int64_t{s.kv_begin} + s.kv_len <= k.rows,
                   "attention: segment of queries {} + {} and keys {} + {} in streams of {} and {}",
                   s.q_begin, s.q_len, s.kv_begin, s.kv_len, q.rows, k.rows);
  }
}

void count_tiles(std::span<const AttentionSegment> segments, const TileShape& shape,
                 std::vector<std::int64_t>& starts) {
  starts.assign(1, 0);
  for (const AttentionSegment& s : segments) {
    starts.push_back(starts.back() + (s.q_len + shape.queries - 1) / shape.queries);
  }
}

AttentionTile find_tile(std::span<const AttentionSegment> segments, const TileShape& shape,
                        const std::vector<std::int64_t>& starts, std::int64_t number) {
  const auto next = std::upper_bound(starts.begin(), starts.end(), number);
  const auto index = static_cast<std::size_t>(next - starts.begin() - 1);
  const AttentionSegment& segment = segments[index];
  const std::int64_t first = (number - starts[index]) * shape.queries;
  return {segment, first, std::min<std::int64_t>(shape.queries, segment.q_len - first)};
}

TileScratch::TileScratch(std::byte* memory, const TileShape& shape) {
  const auto take = [&](std::int64_t floats) {
    auto* const array = reinterpret_cast<float*>(memory);
    memory += padded(floats) * sizeof(float);
    return array;
  };
  q = take(shape.rows * shape.head_dim);
  d_o = take(shape.rows * shape.head_dim);
  out = take(shape.rows * shape.head_dim);
  scores = take(shape.rows * TileShape::kKeyBlock);
  d_scores = take(shape.rows * TileShape::kKeyBlock);
  lse = take(shape.rows);
  delta = take(shape.rows);
  sums = reinterpret_cast<double*>(take(2 * shape.rows));
}

std::size_t TileScratch::bytes(const TileShape& shape) {
  return sizeof(float) *
         (3 * padded(shape.rows * shape.head_dim) + 2 * padded(shape.rows * TileShape::kKeyBlock) +
          2 * padded(shape.rows) + padded(2 * shape.rows));
}

int key_sets(int threads, const AttentionHeads& heads) {
  constexpr int kMostSets = 8;  // each costs a copy of dq in the workspace
  return std::min(kMostSets, threads / std::gcd(threads, heads.num_kv_heads));
}

std::size_t workspace_bytes(int threads, const WorkspaceShape& shape) {
  const AttentionHeads& heads = shape.heads;
  const auto extra_sets = static_cast<std::size_t>(key_sets(threads, heads) - 1);
  return static_cast<std::size_t>(threads) * TileScratch::bytes(TileShape(heads)) +
         extra_sets * sizeof(float) * padded(shape.max_tokens * heads.num_q_heads * heads.head_dim);
}

}  // namespace longhaul::cpu
