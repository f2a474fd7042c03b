#include "data/text/utf8.h"

#include <cstring>

namespace longhaul {
namespace {

struct Sequence {
  std::size_t length;  // of the valid sequence, or of the invalid part to be replaced
  bool valid;
};

/// The sequence that starts at text[at], by table 3-7 of the Unicode standard. An invalid one is as
/// long as its bytes could still have become a valid one ("maximal subpart").
Sequence sequence_at(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {1, true};
  std::size_t length = 0;
  unsigned low = 0x80;  // range of the second byte
  unsigned high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {1, false};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return {i, false};
    const auto byte = static_cast<unsigned char>(text[at + i]);
    if (byte < low || byte > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

/// The first position from `at` on with a byte that is not ASCII, at most text.size().
std::size_t skip_ascii(std::string_view text, std::size_t at) {
  while (at + 8 <= text.size()) {
    std::uint64_t chunk = 0;
    std::memcpy(&chunk, text.data() + at, 8);
    if ((chunk & 0x8080808080808080ULL) != 0) break;
    at += 8;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0U | (code_point >> 6));
    put(0x80U | (code_point & 0x3FU));
  } else if (code_point < 0x10000) {
    put(0xE0U | (code_point >> 12));
    put(0x80U | ((code_point >> 6) & 0x3FU));
    put(0x80U | (code_point & 0x3FU));
  } else {
    put(0xF0U | (code_point >> 18));
    put(0x80U | ((code_point >> 12) & 0x3FU));
    put(0x80U | ((code_point >> 6) & 0x3FU));
    put(0x80U | (code_point & 0x3FU));
  }
}

std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while ((at = skip_ascii(text, at)) < text.size()) {
    const Sequence sequence = sequence_at(text, at);
    if (!sequence.valid) return at;
    at += sequence.length;
  }
  return std::string_view::npos;
}

std::string utf8_lossy(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  std::size_t clean = 0;
  std::size_t at = 0;
  while ((at = skip_ascii(bytes, at)) < bytes.size()) {
    const Sequence sequence = sequence_at(bytes, at);
    if (!sequence.valid) {
      out.append(bytes, clean, at - clean);
      out += "\xEF\xBF\xBD";
      clean = at + sequence.length;
    }
    at += sequence.length;
  }
  out.append(bytes, clean, bytes.size() - clean);
  return out;
}

std::string abridge(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  const auto inside_character = [&](std::size_t at) {
    return at > 0 && at < text.size() && is_utf8_continuation(text[at]);
  };
  std::size_t begin_end = max_bytes * 2 / 3;
  std::size_t end_begin = text.size() - max_bytes / 3;
  while (inside_character(begin_end)) --begin_end;
  while (inside_character(end_begin)) ++end_begin;
  std::string out(text.substr(0, begin_end));
  out += " … ";
  out += text.substr(end_begin);
  return out;
}

}  // namespace longhaul
