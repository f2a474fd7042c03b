#include "core/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace longhaul {

void Crc32c::update(const void* data, std::size_t bytes) {
  constexpr std::size_t kMost = std::size_t{1} << 30;  // the library counts in int
  const auto* at = static_cast<const unsigned char*>(data);
  while (bytes > 0) {
    const std::size_t piece = std::min(bytes, kMost);
    // The library only reads, though its declaration lacks the const.
    state_ = crc32_iscsi(const_cast<unsigned char*>(at), static_cast<int>(piece), state_);
    at += piece;
    bytes -= piece;
  }
}

std::uint32_t crc32c(std::string_view bytes) {
  Crc32c crc;
  crc.update(bytes.data(), bytes.size());
  return crc.value();
}

}  // namespace longhaul
