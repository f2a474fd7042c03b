#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace longhaul {

/// What a full check of a checkpoint has found.
struct VerifyReport {
  std::int64_t shards = 0;
  std::int64_t slabs = 0;
  std::int64_t bytes = 0;            // of tensor data, checked or not
  std::vector<std::string> damages;  // empty: every byte of every file is as it was written
};

/// Reads a checkpoint whole and checks everything: the index, and of each shard existence, size,
/// identity, structure, its own copy of the checksums, and every slab's data. Goes on after a
/// damage, to list all. Never throws for damage. `progress` is called with the bytes of tensor data
/// done so far and in all.
VerifyReport verify_checkpoint(
    const std::filesystem::path& step_directory,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace longhaul
