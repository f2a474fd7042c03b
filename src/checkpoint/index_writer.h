#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/format.h"
#include "checkpoint/slab_record.h"

namespace longhaul {

/// Writes index.h5 and seal.txt into `directory`, next to the shards, and waits until they are on
/// disk: every tensor whole as a virtual dataset over the shards, the tables of tensors, slabs and
/// shards with all checksums, and the metadata JSON. `shards` are in rank order, one for each.
///
/// Throws InternalError when the slabs do not tile their tensors, UserError when a shard is not
/// there with its full size (the directory is then not shared between the hosts) or the system
/// refuses.
void write_index(const std::filesystem::path& directory, const CheckpointIdentity& identity,
                 const std::string& metadata, const std::vector<ShardRecord>& shards);

}  // namespace longhaul
