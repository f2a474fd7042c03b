#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/crc32c.h"
#include "core/file.h"

namespace longhaul {

/// Feeds bytes [begin, end) of a file to `crc`.
void update_from_file(Crc32c& crc, const FileDescriptor& fd, std::int64_t begin, std::int64_t end,
                      const std::filesystem::path& file);

/// A run of bytes in a file.
struct ByteRange {
  std::int64_t begin = 0;
  std::int64_t bytes = 0;
};

/// CRC-32C of all bytes of a file of `size` bytes that lie in none of `data`, in file order: the
/// part of a shard that the checksums of its slabs do not cover.
std::uint32_t crc_outside(const FileDescriptor& fd, std::int64_t size, std::vector<ByteRange> data,
                          const std::filesystem::path& file);

}  // namespace longhaul
