#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/format.h"
#include "checkpoint/shard_table.h"

namespace longhaul {

/// All that index.h5 says, held in memory.
struct CheckpointIndex {
  std::filesystem::path directory;
  CheckpointIdentity identity;
  std::string written;   // UTC
  std::string metadata;  // JSON
  std::int64_t index_bytes = 0;
  std::vector<ShardRow> shards;
  SlabTables tables;  // slabs ordered by tensor
  /// Slabs of tensor i are tables.slabs[first_slab[i]] up to before [first_slab[i + 1]].
  std::vector<std::size_t> first_slab;

  [[nodiscard]] const CheckpointTensor& tensor_of(const SlabRow& slab) const {
    return tables.tensors[static_cast<std::size_t>(slab.tensor)];
  }
  [[nodiscard]] std::filesystem::path shard_path(const SlabRow& slab) const {
    return directory / shards[static_cast<std::size_t>(slab.shard)].file_name;
  }
};

/// Loads the index of a step_... folder: checks it against seal.txt first, byte for byte, so that
/// nothing damaged reaches HDF5. Throws UserError with what to do.
CheckpointIndex load_index(const std::filesystem::path& step_directory);

}  // namespace longhaul
