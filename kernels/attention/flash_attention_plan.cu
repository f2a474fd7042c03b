#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "kernels/attention/flash_attention.h"
#include "kernels/attention/flash_attention_plan.h"

namespace longhaul::kernels {
namespace {

using flash::KeyBlock;
using flash::kKeyBlock;
using flash::kQueryTile;
using flash::QueryTile;

std::int32_t key_end(const AttentionSegment& segment) { return segment.kv_begin + segment.kv_len; }

/// Something to do and how long it takes, in any unit.
template <typename T>
struct Work {
  T item;
  std::int64_t cost;
};

template <typename T>
void longest_first(std::vector<Work<T>>& work) {
  std::stable_sort(work.begin(), work.end(),
                   [](const Work<T>& a, const Work<T>& b) { return a.cost > b.cost; });
}

std::vector<Work<QueryTile>> query_tiles(std::span<const AttentionSegment> segments) {
  std::vector<Work<QueryTile>> tiles;
  for (const AttentionSegment& s : segments) {
    for (std::int32_t first = 0; first < s.q_len; first += kQueryTile) {
      const std::int32_t rows = std::min(kQueryTile, s.q_len - first);
      const std::int32_t visible = s.kv_len - s.q_len + first + 1;
      tiles.push_back({{s.q_begin + first, rows, s.kv_begin, visible}, visible + rows});
    }
  }
  longest_first(tiles);
  return tiles;
}

/// Queries of the segment that see one of the keys from `begin` on.
std::int64_t queries_that_see(const AttentionSegment& s, std::int32_t begin) {
  const std::int32_t key = std::max(0, begin - s.kv_begin);
  return s.q_len - std::max(0, key - (s.kv_len - s.q_len));
}

/// `segments` by kv_begin. Blocks start where a run of segments that share keys starts, so a
/// document that shares none has no block in common with its neighbours.
std::vector<Work<KeyBlock>> key_blocks(std::span<const AttentionSegment> segments) {
  std::vector<Work<KeyBlock>> blocks;
  for (std::size_t first = 0; first < segments.size();) {
    const std::int32_t run_begin = segments[first].kv_begin;
    std::int32_t run_end = key_end(segments[first]);
    std::size_t last = first + 1;
    for (; last < segments.size() && segments[last].kv_begin < run_end; ++last) {
      run_end = std::max(run_end, key_end(segments[last]));
    }
    std::size_t from = first;
    std::size_t to = first;
    for (std::int32_t begin = run_begin; begin < run_end; begin += kKeyBlock) {
      const std::int32_t count = std::min(kKeyBlock, run_end - begin);
      while (key_end(segments[from]) <= begin) ++from;
      while (to < last && segments[to].kv_begin < begin + count) ++to;
      std::int64_t cost = 0;
      for (std::size_t i = from; i < to; ++i) {
        if (key_end(segments[i]) > begin) cost += queries_that_see(segments[i], begin);
      }
      blocks.push_back(
          {{begin, count, static_cast<std::int32_t>(from), static_cast<std::int32_t>(to - from)},
           cost});
    }
    first = last;
  }
  longest_first(blocks);
  return blocks;
}

template <typename T>
std::int32_t* append(std::int32_t* to, const T& item) {
  static_assert(sizeof(T) == 16);
  std::memcpy(to, &item, sizeof(T));
  return to + 4;
}

}  // namespace

void plan_flash_attention(std::span<const AttentionSegment> segments, FlashAttentionPlan& plan) {
  std::vector<AttentionSegment> by_key(segments.begin(), segments.end());
  std::stable_sort(
      by_key.begin(), by_key.end(),
      [](const AttentionSegment& a, const AttentionSegment& b) { return a.kv_begin < b.kv_begin; });
  const std::vector<Work<QueryTile>> tiles = query_tiles(segments);
  const std::vector<Work<KeyBlock>> blocks = key_blocks(by_key);
  plan.query_tiles = static_cast<std::int64_t>(tiles.size());
  plan.key_blocks = static_cast<std::int64_t>(blocks.size());
  plan.segments = static_cast<std::int64_t>(by_key.size());
  plan.metadata.resize(4 * (tiles.size() + blocks.size() + by_key.size()));
  std::int32_t* to = plan.metadata.data();
  for (const Work<QueryTile>& tile : tiles) to = append(to, tile.item);
  for (const Work<KeyBlock>& block : blocks) to = append(to, block.item);
  for (const AttentionSegment& segment : by_key) to = append(to, segment);
}

}  // namespace longhaul::kernels
