#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace longhaul {

// Properties of a code point, as bits. The first three are the classes of the pre-tokenizer's
// regular expression exactly as Hugging Face tokenizers sees them (Unicode 16 level).
inline constexpr std::uint8_t kLetter = 1;       // \p{L}
inline constexpr std::uint8_t kNumber = 2;       // \p{N}
inline constexpr std::uint8_t kSpace = 4;        // \s
inline constexpr std::uint8_t kNotPlainNfc = 8;  // text without any of these is in NFC
inline constexpr std::uint8_t kNewline = 16;     // \r or \n

/// A two-stage table of the properties of all code points.
class CharacterClasses {
 public:
  CharacterClasses();
  /// code_point < 0x110000
  [[nodiscard]] std::uint8_t of(char32_t code_point) const {
    return pages_[page_of_[code_point >> 8] * std::size_t{256} + (code_point & 0xFFU)];
  }
  /// The properties of the code points below 128.
  [[nodiscard]] const std::uint8_t* ascii() const { return pages_.data(); }

 private:
  std::array<std::uint16_t, 0x1100> page_of_{};  // equal pages are shared
  std::vector<std::uint8_t> pages_;              // page 0 is that of U+0000
};

/// The one immutable table; built at first use (a fraction of a millisecond).
const CharacterClasses& character_classes();

}  // namespace longhaul
