#include "data/json/python_text.h"

#include "data/text/utf8.h"

namespace longhaul {
namespace {

bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

}  // namespace

std::size_t python_space_length(std::string_view text, std::size_t at) {
  const CodePoint c = decode_utf8(text, at);
  return is_python_space(c.value) ? c.length : 0;
}

std::string_view python_strip(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = python_space_length(text, 0);
    if (length == 0) break;
    text.remove_prefix(length);
  }
  while (!text.empty()) {
    std::size_t last = text.size() - 1;
    while (last > 0 && is_utf8_continuation(text[last])) --last;
    if (python_space_length(text, last) == 0) break;
    text.remove_suffix(text.size() - last);
  }
  return text;
}

}  // namespace longhaul
