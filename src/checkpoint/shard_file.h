#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/index_reader.h"
#include "core/file.h"

namespace longhaul {

/// Checks that a shard exists, has its size, opens as HDF5 and is the one that the index means, and
/// opens it. Throws UserError saying which file and what is wrong, without advice.
FileDescriptor open_shard(const CheckpointIndex& index, std::size_t shard);

/// Compares everything in a shard but its slabs' data with its checksum. Throws as open_shard().
void check_shard_metadata(const CheckpointIndex& index, std::size_t shard,
                          const FileDescriptor& fd);

/// Receives a piece of a slab: where it is in the tensor, and its elements, row-major and
/// contiguous.
using PieceSink = std::function<void(const TensorSlice& piece, const std::byte* data)>;

/// Reads all of a slab in pieces of a few megabytes, in order, and compares the whole with its
/// checksum at the end. Throws UserError, without advice, when it does not match: what the sink
/// got is then worth nothing.
void read_slab_checked(const CheckpointIndex& index, const SlabRow& slab, const FileDescriptor& fd,
                       const PieceSink& sink);

/// Reads the part of a slab that lies in `wanted` (a slice of the tensor), without checking it.
void read_slab_part(const CheckpointIndex& index, const SlabRow& slab, const TensorSlice& wanted,
                    const FileDescriptor& fd, const PieceSink& sink);

}  // namespace longhaul
