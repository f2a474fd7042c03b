#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/files/compression.h"

namespace longhaul {

/// A data file whose size has been looked up.
struct DataFile {
  std::filesystem::path path;  // as the user knows it
  std::int64_t bytes = 0;      // of what is read: the file, or its unpacked text
  Compression compression = Compression::none;
  std::filesystem::path
      unpacked;  // where the text of a packed file lies, once it has been unpacked

  [[nodiscard]] const std::filesystem::path& content() const {
    return unpacked.empty() ? path : unpacked;
  }
};

/// Looks a data file up. Throws UserError when it is absent, a directory, unreadable or empty, or
/// packed in a way that is not read.
DataFile find_data_file(const std::filesystem::path& path);

/// A piece of a data file: the lines that begin in bytes begin .. end - 1. Blocks let ranks and
/// threads work on one file without reading what is before their part.
struct RowBlock {
  std::int32_t file = 0;  // index of the file
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Every file cut into pieces of `block_bytes` bytes, the last of each shorter; in file order.
std::vector<RowBlock> make_blocks(std::span<const DataFile> files, std::int64_t block_bytes);

/// What is learnt about a block's bytes before anything is parsed.
struct BlockSummary {
  std::string sha256;          // of its bytes, hexadecimal
  std::int64_t line_ends = 0;  // newline characters among them; of no use where they are packed
};
BlockSummary summarize_block(const DataFile& file, const RowBlock& block);

}  // namespace longhaul
