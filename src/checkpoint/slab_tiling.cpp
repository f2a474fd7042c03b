#include "checkpoint/slab_tiling.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "checkpoint/naming.h"
#include "core/error.h"

namespace longhaul {
namespace {

void check_inside(const SlabRecord& slab, const std::string& file) {
  LONGHAUL_CHECK(slab.slice.size() > 0 && lies_within(slab.slice, slab.shape),
                 "{}: slab of {} [{}] reaches outside the tensor: {}", file,
                 display_name(slab.path), fmt::join(slab.shape, ","),
                 describe(slab.slice, slab.shape.size()));
}

/// Slabs are ordered by row. Those that one can overlap start above its end, so a sweep that keeps
/// the slabs still open is fast for the splits by rows and columns that occur.
void check_tiles(const TensorTiling& tensor, const std::vector<ShardRecord>& shards) {
  const auto slice_at = [&](const SlabPlace& place) {
    return shards[place.shard].slabs[place.slab].slice;
  };
  std::int64_t covered = 0;
  std::vector<SlabPlace> open;
  for (const SlabPlace& place : tensor.slabs) {
    const TensorSlice slice = slice_at(place);
    covered += slice.size();
    std::erase_if(open, [&](const SlabPlace& other) {
      const TensorSlice above = slice_at(other);
      return above.row + above.rows <= slice.row;
    });
    for (const SlabPlace& other : open) {
      LONGHAUL_CHECK(intersect(slice_at(other), slice).size() == 0,
                     "{}: the slabs of {} and {} overlap ({} and {})", display_name(tensor.path),
                     shards[other.shard].file_name, shards[place.shard].file_name,
                     describe(slice_at(other), tensor.shape.size()),
                     describe(slice, tensor.shape.size()));
    }
    open.push_back(place);
  }
  const std::int64_t size = std::accumulate(tensor.shape.begin(), tensor.shape.end(),
                                            std::int64_t{1}, std::multiplies<>());
  LONGHAUL_CHECK(covered == size, "{}: the slabs of all ranks hold {} of its {} elements",
                 display_name(tensor.path), covered, size);
}

}  // namespace

std::vector<TensorTiling> collect_tensors(const std::vector<ShardRecord>& shards) {
  std::map<std::string, TensorTiling> tensors;
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    for (std::size_t i = 0; i < shards[shard].slabs.size(); ++i) {
      const SlabRecord& slab = shards[shard].slabs[i];
      check_inside(slab, shards[shard].file_name);
      const auto [found, is_new] = tensors.try_emplace(slab.path);
      TensorTiling& tensor = found->second;
      if (is_new) {
        tensor.path = slab.path;
        tensor.dtype = slab.dtype;
        tensor.shape = slab.shape;
      }
      LONGHAUL_CHECK(tensor.dtype == slab.dtype && tensor.shape == slab.shape,
                     "{}: {} says {} [{}], another rank {} [{}]", display_name(slab.path),
                     shards[shard].file_name, name_of(slab.dtype), fmt::join(slab.shape, ","),
                     name_of(tensor.dtype), fmt::join(tensor.shape, ","));
      tensor.slabs.push_back({shard, i});
    }
  }
  std::vector<TensorTiling> result;
  result.reserve(tensors.size());
  for (auto& [path, tensor] : tensors) {
    std::sort(tensor.slabs.begin(), tensor.slabs.end(),
              [&](const SlabPlace& a, const SlabPlace& b) {
                const TensorSlice& first = shards[a.shard].slabs[a.slab].slice;
                const TensorSlice& second = shards[b.shard].slabs[b.slab].slice;
                return std::tie(first.row, first.col) < std::tie(second.row, second.col);
              });
    check_tiles(tensor, shards);
    result.push_back(std::move(tensor));
  }
  return result;
}

}  // namespace longhaul
