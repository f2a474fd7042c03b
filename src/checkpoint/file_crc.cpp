#include "checkpoint/file_crc.h"

#include <algorithm>

namespace longhaul {

void update_from_file(Crc32c& crc, const FileDescriptor& fd, std::int64_t begin, std::int64_t end,
                      const std::filesystem::path& file) {
  constexpr std::int64_t kPiece = std::int64_t{1} << 20;
  std::vector<char> buffer(
      static_cast<std::size_t>(std::clamp<std::int64_t>(end - begin, 0, kPiece)));
  while (begin < end) {
    const auto piece = static_cast<std::size_t>(std::min(end - begin, kPiece));
    read_at(fd, begin, buffer.data(), piece, file);
    crc.update(buffer.data(), piece);
    begin += static_cast<std::int64_t>(piece);
  }
}

std::uint32_t crc_outside(const FileDescriptor& fd, std::int64_t size, std::vector<ByteRange> data,
                          const std::filesystem::path& file) {
  std::sort(data.begin(), data.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
  Crc32c crc;
  std::int64_t at = 0;
  for (const ByteRange& range : data) {
    update_from_file(crc, fd, at, range.begin, file);
    at = std::max(at, range.begin + range.bytes);
  }
  update_from_file(crc, fd, at, size, file);
  return crc.value();
}

}  // namespace longhaul
