#include "data/tokenizer/pre_tokenizer.h"

#include "data/text/unicode_class.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

constexpr std::uint8_t kWordClasses = kLetter | kNumber | kSpace;

/// The length of a contraction ('s 't 're 've 'm 'll 'd in any case) at text[begin], an apostrophe,
/// or 0. The regex engine folds U+017F (long s) to s too.
std::size_t contraction_length(std::string_view text, std::size_t begin) {
  const auto lower = [&](std::size_t i) {
    return begin + i < text.size() ? static_cast<char>(text[begin + i] | 0x20) : '\0';
  };
  switch (lower(1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 2;
    case 'r':
    case 'v':
      return lower(2) == 'e' ? 3 : 0;
    case 'l':
      return lower(2) == 'l' ? 3 : 0;
    default:
      return text.substr(begin + 1, 2) == "\xC5\xBF" ? 3 : 0;
  }
}

}  // namespace

struct PreTokenizer::Char {
  std::uint8_t bits;
  std::uint32_t length;  // 0 at the end of the text
};

PreTokenizer::PreTokenizer() : classes_(&character_classes()) {}

PreTokenizer::Char PreTokenizer::at(std::string_view text, std::size_t position) const {
  if (position >= text.size()) return {0, 0};
  const auto byte = static_cast<unsigned char>(text[position]);
  if (byte < 0x80) return {classes_->ascii()[byte], 1};
  const CodePoint c = decode_utf8(text, position);
  return {classes_->of(c.value), c.length};
}

std::size_t PreTokenizer::skip_letters(std::string_view text, std::size_t position) const {
  while (true) {
    const Char c = at(text, position);
    if ((c.bits & kLetter) == 0) return position;
    position += c.length;
  }
}

/// [^\s\p{L}\p{N}]*[\r\n]* from `position` on.
std::size_t PreTokenizer::symbols_end(std::string_view text, std::size_t position) const {
  while (true) {
    const Char c = at(text, position);
    if (c.length == 0 || (c.bits & kWordClasses) != 0) break;
    position += c.length;
  }
  while (position < text.size() && (text[position] == '\r' || text[position] == '\n')) ++position;
  return position;
}

/// The three alternatives of white space: up to the last newline of the run; else, when something
/// follows, all but the last character, which then begins the next word; else all.
std::size_t PreTokenizer::space_end(std::string_view text, std::size_t begin) const {
  std::size_t position = begin;
  std::size_t last = begin;           // start of the run's last character
  std::size_t after_newline = begin;  // end of its last newline
  while (true) {
    const Char c = at(text, position);
    if ((c.bits & kSpace) == 0) break;
    last = position;
    position += c.length;
    if ((c.bits & kNewline) != 0) after_newline = position;
  }
  if (after_newline > begin) return after_newline;
  return position == text.size() || last == begin ? position : last;
}

std::size_t PreTokenizer::word_end(std::string_view text, std::size_t begin) const {
  const Char first = at(text, begin);
  if ((first.bits & kLetter) != 0) return skip_letters(text, begin + first.length);
  if ((first.bits & kNumber) != 0) return begin + first.length;
  if (text[begin] == '\'') {
    if (const std::size_t length = contraction_length(text, begin)) return begin + length;
  }
  const std::size_t next = begin + first.length;
  const Char second = at(text, next);
  if ((second.bits & kLetter) != 0 && (first.bits & kNewline) == 0) {
    return skip_letters(text, next + second.length);
  }
  if ((first.bits & kSpace) == 0) return symbols_end(text, next);
  if (text[begin] == ' ' && second.length != 0 && (second.bits & kWordClasses) == 0) {
    return symbols_end(text, next);
  }
  return space_end(text, begin);
}

}  // namespace longhaul
