#include "checkpoint/shard_table.h"

#include <algorithm>

#include "checkpoint/format.h"
#include "checkpoint/hdf5_table.h"

namespace longhaul {
namespace {

std::vector<Column> shard_columns(std::size_t name_length) {
  return {
      {"file", ColumnKind::text, name_length}, {"bytes"}, {"metadata_crc32c", ColumnKind::crc32}};
}

}  // namespace

void write_shard_table(hid_t file_id, const std::vector<ShardRecord>& shards,
                       const std::filesystem::path& file) {
  std::size_t longest = 1;
  for (const ShardRecord& shard : shards) longest = std::max(longest, shard.file_name.size());
  Hdf5Table table(shard_columns(longest), shards.size());
  for (std::size_t i = 0; i < shards.size(); ++i) {
    table.set(i, 0, shards[i].file_name);
    table.set(i, 1, shards[i].bytes);
    table.set(i, 2, std::int64_t{shards[i].metadata_crc});
  }
  table.write(file_id, kShardsPath, file);
}

std::vector<ShardRow> read_shard_table(hid_t file_id, const std::filesystem::path& file) {
  const Hdf5Table table = Hdf5Table::read(file_id, kShardsPath, shard_columns(0), file);
  std::vector<ShardRow> shards;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    shards.push_back(
        {table.text(i, 0), table.integer(i, 1), static_cast<std::uint32_t>(table.integer(i, 2))});
  }
  return shards;
}

}  // namespace longhaul
