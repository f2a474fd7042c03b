#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longhaul {

/// Is it a byte of a character that is not its first?
constexpr bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

struct CodePoint {
  char32_t value;
  std::uint32_t length;  // bytes, at least 1
};

/// The code point at text[at], at < text.size(). The text should be valid UTF-8; any other byte
/// reads as U+FFFD of length 1, never beyond the end.
inline CodePoint decode_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto more = [&](std::size_t i) {
    return at + i < text.size() && is_utf8_continuation(text[at + i]);
  };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xC2) return {0xFFFD, 1};
  if (first < 0xE0) {
    if (more(1)) return {((first & 0x1FU) << 6) | (byte(1) & 0x3FU), 2};
  } else if (first < 0xF0) {
    if (more(1) && more(2)) {
      return {((first & 0x0FU) << 12) | ((byte(1) & 0x3FU) << 6) | (byte(2) & 0x3FU), 3};
    }
  } else if (first < 0xF5) {
    if (more(1) && more(2) && more(3)) {
      return {((first & 0x07U) << 18) | ((byte(1) & 0x3FU) << 12) | ((byte(2) & 0x3FU) << 6) |
                  (byte(3) & 0x3FU),
              4};
    }
  }
  return {0xFFFD, 1};
}

}  // namespace longhaul
