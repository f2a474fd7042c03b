#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_hdf5.h"
#include "checkpoint/slab_record.h"

namespace longhaul {

/// A shard as the index describes it.
struct ShardRow {
  std::string file_name;
  std::int64_t bytes = 0;
  std::uint32_t metadata_crc = 0;  // see ShardRecord
};

void write_shard_table(hid_t file_id, const std::vector<ShardRecord>& shards,
                       const std::filesystem::path& file);
std::vector<ShardRow> read_shard_table(hid_t file_id, const std::filesystem::path& file);

}  // namespace longhaul
