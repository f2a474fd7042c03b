#include "data/tokenizer/byte_level.h"

#include "data/text/utf8.h"

namespace longhaul {

ByteLevelAlphabet::ByteLevelAlphabet() {
  byte_of_.fill(-1);
  char32_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    character_of_[byte] = visible ? byte : next++;
    byte_of_[character_of_[byte]] = static_cast<std::int16_t>(byte);
  }
}

bool ByteLevelAlphabet::append_bytes(std::string& out, std::string_view text) const {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    if (c.value >= byte_of_.size() || byte_of_[c.value] < 0) return false;
    out += static_cast<char>(byte_of_[c.value]);
    at += c.length;
  }
  return true;
}

}  // namespace longhaul
