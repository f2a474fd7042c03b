#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace longhaul {

/// The alphabet of byte-level BPE: every byte is written as a visible character, so that vocabulary
/// files are text. Bytes that are visible in Latin-1 stand for themselves, the other 68 are written
/// as U+0100 onwards in order (a space is U+0120).
class ByteLevelAlphabet {
 public:
  ByteLevelAlphabet();
  [[nodiscard]] char32_t character_of(unsigned char byte) const { return character_of_[byte]; }
  /// Appends the bytes that `text` writes; false when it has a character outside the alphabet.
  bool append_bytes(std::string& out, std::string_view text) const;

 private:
  std::array<char32_t, 256> character_of_{};
  std::array<std::int16_t, 324> byte_of_{};  // by code point; -1 for none
};

}  // namespace longhaul
