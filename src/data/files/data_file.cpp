#include "data/files/data_file.h"

#include <algorithm>

#include "core/error.h"
#include "core/sha256.h"
#include "data/files/input_file.h"

namespace longhaul {
namespace fs = std::filesystem;

DataFile find_data_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    user_error("{}: cannot be found{}; check --dataset and --val_dataset", path.string(),
               error && error != std::errc::no_such_file_or_directory ? " (" + error.message() + ")"
                                                                      : std::string());
  }
  if (fs::is_directory(status)) {
    user_error("{}: is a directory; name the JSON-lines files in it", path.string());
  }
  if (!fs::is_regular_file(status)) {
    user_error("{}: is not a regular file; a JSON-lines file is expected", path.string());
  }
  const InputFile readable(path);
  const auto bytes = static_cast<std::int64_t>(fs::file_size(path, error));
  if (error) user_error("{}: its size cannot be read: {}", path.string(), error.message());
  if (bytes == 0)
    user_error("{}: is empty (0 bytes); a JSON-lines file is expected", path.string());
  std::string first_bytes;
  readable.read(0, std::min<std::int64_t>(bytes, kSignatureBytes), first_bytes);
  return {path, bytes, detect_compression(first_bytes, path.string()), {}};
}

std::vector<RowBlock> make_blocks(std::span<const DataFile> files, std::int64_t block_bytes) {
  LONGHAUL_CHECK(block_bytes >= 1, "blocks of {} bytes", block_bytes);
  std::vector<RowBlock> blocks;
  for (std::size_t file = 0; file < files.size(); ++file) {
    for (std::int64_t begin = 0; begin < files[file].bytes; begin += block_bytes) {
      const std::int64_t end = std::min(begin + block_bytes, files[file].bytes);
      blocks.push_back({static_cast<std::int32_t>(file), begin, end});
    }
  }
  return blocks;
}

BlockSummary summarize_block(const DataFile& file, const RowBlock& block) {
  std::string bytes;
  InputFile(file.content()).read(block.begin, block.end - block.begin, bytes);
  return {sha256_hex(bytes), std::count(bytes.begin(), bytes.end(), '\n')};
}

}  // namespace longhaul
