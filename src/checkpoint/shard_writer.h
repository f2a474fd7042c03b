#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <vector>

#include "checkpoint/format.h"
#include "checkpoint/slab.h"
#include "checkpoint/slab_record.h"

namespace longhaul {

/// Bytes that the tensors of a shard take, and an upper bound of the whole file.
std::int64_t data_bytes(const std::vector<TensorSlab>& slabs);
std::int64_t shard_bytes_bound(const std::vector<TensorSlab>& slabs);

/// Writes one rank's shard into `directory` as shard number `shard`, straight from the slabs'
/// memory, and waits until it is on disk. Slabs without elements are left out; a shard may have
/// none at all. Returns what the index needs. Not collective.
///
/// First HDF5 lays out the whole file (datasets with their places reserved, checksums, names) and
/// is closed; then the data is written in place. So no call into HDF5 is under way when a disk
/// fills up, and the file is a well-formed HDF5 file from the start.
///
/// Throws UserError when the system refuses (disk full, no permission, ...), naming the file, and
/// WorkStopped soon after `stop` was requested; the file then stays as far as it got. Calls `beat`
/// now and then: the work goes on.
ShardRecord write_shard(const std::filesystem::path& directory, const CheckpointIdentity& identity,
                        int shard, const std::vector<TensorSlab>& slabs,
                        const std::stop_token& stop = {}, const std::function<void()>& beat = {});

}  // namespace longhaul
