#include "data/text/visible_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/text/utf8.h"

namespace longhaul {
namespace {

bool within(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

/// Characters that a terminal obeys or that leave no trace on it.
bool is_hidden(char32_t c) {
  return c < 0x20 || within(c, 0x7F, 0x9F) || c == 0xAD || c == 0x61C || c == 0x180E ||
         c == 0x200B || within(c, 0x200E, 0x200F) || within(c, 0x2028, 0x202E) ||
         within(c, 0x2060, 0x206F) || c == 0xFEFF || within(c, 0xFFF9, 0xFFFB) ||
         within(c, 0xE0000, 0xE007F);
}

bool is_odd_space(char32_t c) {
  return c == 0xA0 || c == 0x1680 || within(c, 0x2000, 0x200D) || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

void append_escape(std::string& out, char32_t c) {
  const auto code = static_cast<std::uint32_t>(c);
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      out += code > 0xFFFF ? fmt::format("\\u{{{:x}}}", code) : fmt::format("\\u{:04x}", code);
  }
}

}  // namespace

void append_visible(std::string& out, std::string_view text, Visible what) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    const std::string_view bytes = text.substr(at, point.length);
    at += point.length;
    const bool stays = what == Visible::lines && (point.value == '\n' || point.value == '\t');
    const bool hidden =
        is_hidden(point.value) || (what == Visible::marks && is_odd_space(point.value));
    if (point.value == 0xFFFD && point.length == 1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
    } else if (hidden && !stays) {
      append_escape(out, point.value);
    } else {
      out += bytes;
    }
  }
}

std::string visible(std::string_view text) {
  std::string out;
  append_visible(out, text, Visible::marks);
  return out;
}

std::int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); });
}

std::size_t character_offset(std::string_view text, std::int64_t characters) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (!is_utf8_continuation(text[at]) && --characters < 0) break;
    ++at;
  }
  return at;
}

}  // namespace longhaul
