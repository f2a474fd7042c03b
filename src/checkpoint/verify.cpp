#include "checkpoint/verify.h"

#include <unordered_map>

#include "checkpoint/index_reader.h"
#include "checkpoint/shard_file.h"

namespace longhaul {
namespace {

/// The shard's own table of slabs must say what the index says; it is what a person has who lost
/// the index.
void check_own_tables(const CheckpointIndex& index, std::size_t shard,
                      const std::vector<const SlabRow*>& expected) {
  const std::filesystem::path file = index.directory / index.shards[shard].file_name;
  const Hdf5Id id = open_hdf5_file(file);
  const SlabTables own = SlabTables::read(id.get(), file);
  std::unordered_map<std::int64_t, const SlabRow*> by_offset;
  for (const SlabRow* slab : expected) by_offset.emplace(slab->file_offset, slab);
  std::size_t matches = 0;
  for (const SlabRow& row : own.slabs) {
    const auto found = by_offset.find(row.file_offset);
    if (found == by_offset.end()) continue;
    const SlabRow& slab = *found->second;
    const CheckpointTensor& mine = own.tensors[static_cast<std::size_t>(row.tensor)];
    const CheckpointTensor& theirs = index.tensor_of(slab);
    matches += slab.slice == row.slice && slab.crc == row.crc && mine.path == theirs.path &&
                       mine.dtype == theirs.dtype && mine.shape == theirs.shape
                   ? 1
                   : 0;
  }
  if (matches != expected.size() || own.slabs.size() != expected.size()) {
    user_error("{}: its own table of slabs differs from the index's", file.string());
  }
}

}  // namespace

VerifyReport verify_checkpoint(
    const std::filesystem::path& step_directory,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  VerifyReport report;
  CheckpointIndex index;
  try {
    index = load_index(step_directory);
  } catch (const std::runtime_error& error) {
    report.damages.emplace_back(error.what());
    return report;
  }
  const auto bytes_of = [&](const SlabRow& slab) {
    return slab.slice.size() * static_cast<std::int64_t>(size_of(index.tensor_of(slab).dtype));
  };
  std::vector<std::vector<const SlabRow*>> by_shard(index.shards.size());
  for (const SlabRow& slab : index.tables.slabs) {
    by_shard[static_cast<std::size_t>(slab.shard)].push_back(&slab);
    report.bytes += bytes_of(slab);
  }
  report.shards = static_cast<std::int64_t>(index.shards.size());
  report.slabs = static_cast<std::int64_t>(index.tables.slabs.size());

  const auto attempt = [&](const auto& check) {
    try {
      check();
      return true;
    } catch (const std::runtime_error& error) {
      report.damages.emplace_back(error.what());
      return false;
    }
  };
  std::int64_t done = 0;
  for (std::size_t shard = 0; shard < index.shards.size(); ++shard) {
    FileDescriptor fd;
    if (!attempt([&] { fd = open_shard(index, shard); })) {
      for (const SlabRow* slab : by_shard[shard]) done += bytes_of(*slab);
      progress(done, report.bytes);
      continue;
    }
    if (attempt([&] { check_shard_metadata(index, shard, fd); })) {
      attempt([&] { check_own_tables(index, shard, by_shard[shard]); });
    }
    for (const SlabRow* slab : by_shard[shard]) {
      attempt([&] {
        read_slab_checked(index, *slab, fd, [&](const TensorSlice& piece, const std::byte*) {
          done += piece.size() * static_cast<std::int64_t>(size_of(index.tensor_of(*slab).dtype));
          progress(done, report.bytes);
        });
      });
    }
  }
  return report;
}

}  // namespace longhaul
