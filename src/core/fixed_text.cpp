#include "core/fixed_text.h"

#include <algorithm>
#include <cstring>

namespace longhaul {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

/// Bytes of the UTF-8 character that `text` begins with; 0: it is none. Overlong forms and
/// surrogates are none either.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) >= 0xA0) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) >= 0x90) return 0;
  return length;
}

}  // namespace

void FixedText::append(std::string_view text) {
  const std::size_t count = std::min(text.size(), kCapacity - size_);
  std::memcpy(bytes_.data() + size_, text.data(), count);
  size_ += count;
}

void FixedText::append(std::int64_t number) {
  std::array<char, 24> digits{};
  std::size_t begin = digits.size();
  auto rest = static_cast<std::uint64_t>(number);
  if (number < 0) rest = std::uint64_t{0} - rest;
  do {
    digits[--begin] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (number < 0) digits[--begin] = '-';
  append({digits.data() + begin, digits.size() - begin});
}

void FixedText::append_tenths(double number) {
  const auto tenths = static_cast<std::int64_t>(number * 10.0 + 0.5);
  append(tenths / 10);
  append(".");
  append(tenths % 10);
}

void FixedText::append_json(std::string_view text, std::size_t most) {
  append("\"");
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(character.size());
    const auto first = static_cast<unsigned char>(character.front());
    std::array<char, 6> escaped{
        '\\', 'u', '0', '0', kHexDigits[first >> 4U], kHexDigits[first & 15U]};
    std::string_view written = character;
    if (length == 0) {
      written = "?";
    } else if (first == '"' || first == '\\') {
      escaped[1] = static_cast<char>(first);
      written = {escaped.data(), 2};
    } else if (first < 0x20) {
      written = {escaped.data(), escaped.size()};
    }
    if (written.size() > most) break;
    most -= written.size();
    append(written);
  }
  append("\"");
}

}  // namespace longhaul
