#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longhaul {

/// CRC-32C (Castagnoli), as in iSCSI, ext4 and LevelDB: crc32c("123456789") = 0xe3069283. Feed
/// pieces one after the other; the value is that of their concatenation.
class Crc32c {
 public:
  void update(const void* data, std::size_t bytes);
  [[nodiscard]] std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = ~std::uint32_t{0};
};

std::uint32_t crc32c(std::string_view bytes);

}  // namespace longhaul
