#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace longhaul {

/// seal.txt: a few lines of text, written last, that hold what index.h5 cannot hold itself: its
/// own size and checksum.
struct Seal {
  std::string id;
  std::int64_t step = 0;
  std::string written;  // UTC, to the nanosecond: sorts by time (core/clock.h)
  std::int64_t index_bytes = 0;
  std::uint32_t index_crc = 0;
};

/// Writes and syncs seal.txt in `directory`.
void write_seal(const std::filesystem::path& directory, const Seal& seal);
/// The same, in place of the one that is there, atomically.
void replace_seal(const std::filesystem::path& directory, const Seal& seal);
/// Throws UserError when it is missing, damaged or of a newer format version.
Seal read_seal(const std::filesystem::path& directory);

}  // namespace longhaul
