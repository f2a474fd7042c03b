#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/slab_record.h"

namespace longhaul {

/// A slab of one tensor: which of the shards holds it, and which of the shard's slabs it is.
struct SlabPlace {
  std::size_t shard = 0;
  std::size_t slab = 0;
};

/// A tensor put together from the slabs of all shards, which tile it, ordered by offset.
struct TensorTiling {
  std::string path;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<SlabPlace> slabs;
};

/// Collects the tensors, ordered by path. Throws InternalError naming tensor and shards when slabs
/// disagree on dtype or shape, overlap, leave a gap or reach outside: the caller's bookkeeping is
/// then wrong, and the checkpoint would not hold what it claims.
std::vector<TensorTiling> collect_tensors(const std::vector<ShardRecord>& shards);

}  // namespace longhaul
