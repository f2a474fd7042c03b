#include "data/rows/row_blocks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/sha256.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

/// An open data file.
class InputFile {
 public:
  explicit InputFile(const fs::path& path)
      : path_(path), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) {
      user_error("{}: cannot be opened ({}); check the path and its permissions", path.string(),
                 std::strerror(errno));
    }
  }
  ~InputFile() { close(fd_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Appends `bytes` bytes from `offset` on.
  void read(std::int64_t offset, std::int64_t bytes, std::string& text) const {
    const std::size_t before = text.size();
    text.resize(before + static_cast<std::size_t>(bytes));
    char* at = text.data() + before;
    while (bytes > 0) {
      const ssize_t got = pread(fd_, at, static_cast<std::size_t>(bytes), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        user_error("{}: reading failed at byte {}: {}", path_.string(), offset,
                   std::strerror(errno));
      }
      if (got == 0) {
        user_error(
            "{}: ended at byte {} while it was being read; do not change data files during "
            "a start",
            path_.string(), offset);
      }
      at += got;
      offset += got;
      bytes -= got;
    }
  }

 private:
  const fs::path& path_;
  int fd_;
};

/// The lines that begin in the block, with the newline characters that stand before them in it.
struct BlockText {
  std::string text;
  std::int64_t skipped_line_ends = 0;
};

BlockText read_lines(const DataFile& file, const RowBlock& block) {
  constexpr std::int64_t kPiece = 65536;
  const InputFile input(file.content());
  BlockText result;
  std::string& text = result.text;
  // One byte more in front tells whether a line begins with the block.
  const std::int64_t from = std::max<std::int64_t>(block.begin - 1, 0);
  input.read(from, block.end - from, text);
  if (block.begin > 0) {
    const std::size_t line_end = text.find('\n');
    if (line_end == std::string::npos || line_end + 1 == text.size()) {
      return {};  // the block lies inside a line, or its last byte ends one: no line begins here
    }
    result.skipped_line_ends = line_end == 0 ? 0 : 1;
    text.erase(0, line_end + 1);
  }
  // The rest of the last line belongs to this block.
  std::int64_t at = block.end;
  while (text.back() != '\n' && at < file.bytes) {
    const std::size_t searched = text.size();
    const std::int64_t piece = std::min(kPiece, file.bytes - at);
    input.read(at, piece, text);
    at += piece;
    const std::size_t line_end = text.find('\n', searched);
    if (line_end != std::string::npos) text.resize(line_end + 1);
  }
  return result;
}

}  // namespace

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

void for_each_line(const DataFile& file, const RowBlock& block, std::int64_t line_ends_before,
                   const std::function<void(const LineReader::Line&)>& use) {
  if (file.compression != Compression::none && file.unpacked.empty()) {
    if (block.begin > 0) return;
    LineReader reader(file.path);
    LineReader::Line line;
    while (reader.next(line)) use(line);
    return;
  }
  BlockText block_text = read_lines(file, block);
  if (block_text.text.empty()) return;
  // LineReader takes the first line of its stream for the first of the file, where a byte order
  // mark may stand. A blank line in front keeps it from doing so in later blocks.
  const bool at_file_begin = block.begin == 0;
  if (!at_file_begin) block_text.text.insert(block_text.text.begin(), '\n');
  const std::int64_t lines_before =
      line_ends_before + block_text.skipped_line_ends - (at_file_begin ? 0 : 1);
  std::istringstream stream(std::move(block_text.text));
  LineReader reader(stream, file.path.string(), StreamContent::text);
  LineReader::Line line;
  while (reader.next(line)) {
    line.number += lines_before;
    use(line);
  }
}

}  // namespace longhaul
