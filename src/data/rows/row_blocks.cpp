#include "data/rows/row_blocks.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "data/files/input_file.h"

namespace longhaul {
namespace {

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
