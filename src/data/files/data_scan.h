#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/coordinator.h"
#include "data/files/data_file.h"

namespace longhaul {

/// Bytes of text that one thread tokenizes at a time: some tens of milliseconds of work, so that
/// small data sets are shared among ranks, too.
inline constexpr std::int64_t kBlockBytes = std::int64_t{1} << 19;

/// The data files as all ranks agree on them.
struct DataScan {
  std::int64_t block_bytes = kBlockBytes;
  std::vector<DataFile> files;
  std::vector<std::string> file_hashes;        // [files]: SHA-256 over the SHA-256 of each block
  std::vector<RowBlock> blocks;                // in file order
  std::vector<std::int64_t> line_ends_before;  // [blocks]: newline characters before it in its file
};

/// Looks the files up and reads them once, all ranks sharing the work. Collective. Throws
/// CollectiveError when a file cannot be read or ranks see files of different sizes.
DataScan scan_data_files(Coordinator& coordinator, const std::vector<std::filesystem::path>& paths,
                         std::int64_t block_bytes, int threads);

}  // namespace longhaul
