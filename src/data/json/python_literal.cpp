#include "data/json/python_literal.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

#include "core/error.h"
#include "data/json/json_builder.h"
#include "data/json/json_parse.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

constexpr std::size_t kMaxDigits = 308;  // as in JSON

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Reads one literal and tells a JsonBuilder of it.
class LiteralParser {
 public:
  explicit LiteralParser(std::string_view text) : text_(text) {}

  JsonValue parse() {
    skip_space();
    value();
    skip_space();
    if (at_ < text_.size()) fail("something follows the value");
    return std::move(builder_.result());
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw JsonError(fmt::format("{} (byte {})", what, at_ + 1));
  }
  void must(bool accepted) const {
    if (!accepted) throw JsonError(builder_.error());
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && (peek() == ' ' || (peek() >= '\t' && peek() <= '\r'))) ++at_;
  }

  void value() {
    const char c = peek();
    if (c == '{') {
      dictionary();
    } else if (c == '[' || c == '(') {
      sequence(c == '[' ? ']' : ')');
    } else if (c == '\'' || c == '"') {
      std::string text = strings();
      must(builder_.string(text));
    } else if (is_digit(c) || c == '-' || c == '+' || c == '.') {
      number();
    } else {
      const std::string_view name = word();
      if (name == "None") {
        must(builder_.null());
      } else if (name == "True" || name == "False") {
        must(builder_.boolean(name == "True"));
      } else {
        fail("neither JSON nor a Python literal");
      }
    }
  }

  void dictionary() {
    ++at_;
    must(builder_.start_object(0));
    skip_space();
    while (!take('}')) {
      std::string name = key();
      must(builder_.key(name));
      skip_space();
      if (!take(':')) fail("a colon is missing");
      skip_space();
      value();
      if (!next_item('}')) break;
    }
    must(builder_.end_object());
  }

  void sequence(char close) {
    const std::size_t open = at_++;
    must(builder_.start_array(0));
    skip_space();
    std::size_t items = 0;
    bool comma = false;
    while (!take(close)) {
      value();
      ++items;
      if (!next_item(close)) break;
      comma = true;
    }
    if (close == ')' && items == 1 && !comma) {
      at_ = open;
      fail("a value in parentheses");
    }
    must(builder_.end_array());
  }

  /// After an item: true when another may follow, false when the container has been closed.
  bool next_item(char close) {
    skip_space();
    if (take(close)) return false;
    if (!take(',')) fail("a comma is missing");
    skip_space();
    return true;
  }

  std::string key() {
    const char c = peek();
    if (c == '\'' || c == '"') return strings();
    if (c == '{' || c == '[' || c == '(') fail("a key that JSON does not have");
    const std::size_t begin = at_;
    if (is_digit(c) || c == '-' || c == '+' || c == '.') {
      LiteralParser alone(text_);
      alone.at_ = begin;
      alone.number();
      at_ = alone.at_;
      return alone.builder_.result().text();
    }
    const std::string_view name = word();
    if (name == "None") return "null";
    if (name == "True") return "true";
    if (name == "False") return "false";
    fail("a key that is not understood");
  }

  std::string_view word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void number() {
    bool negative = false;
    for (; peek() == '-' || peek() == '+'; ++at_) negative ^= peek() == '-';
    const std::size_t begin = at_;
    std::string digits;
    bool real = false;
    while (at_ < text_.size()) {
      const char c = peek();
      const bool sign = (c == '-' || c == '+') && !digits.empty() &&
                        (digits.back() == 'e' || digits.back() == 'E');
      if (!is_digit(c) && c != '.' && c != 'e' && c != 'E' && c != '_' && !sign) break;
      real = real || c == '.' || c == 'e' || c == 'E';
      if (c != '_') digits += c;
      ++at_;
    }
    if (is_word(peek())) fail("a number that is not understood");
    if (!real) {
      const bool zeros = digits.find_first_not_of('0') == std::string::npos;
      if (digits.empty() || (digits[0] == '0' && !zeros)) {
        at_ = begin;
        fail("a number that is not understood");
      }
      if (zeros) digits = "0";
      if (digits.size() > kMaxDigits) {
        at_ = begin;
        fail("an integer that is too long");
      }
      must(builder_.number_float(0.0, (negative && !zeros ? "-" : "") + digits));
      return;
    }
    double value = 0.0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec != std::errc() || result.ptr != digits.data() + digits.size()) {
      at_ = begin;
      fail("a number that is not understood");
    }
    must(builder_.number_float(negative ? -value : value, "."));
  }

  /// One string, or several that follow each other and are one.
  std::string strings() {
    std::string text;
    do {
      string(text);
      skip_space();
    } while (peek() == '\'' || peek() == '"');
    return text;
  }

  void string(std::string& out) {
    const char quote = peek();
    const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
    const bool is_long = text_.substr(at_, 3) == triple;
    at_ += is_long ? 3 : 1;
    while (true) {
      if (at_ >= text_.size()) fail("a string has no end");
      const char c = text_[at_];
      if (c == quote && (!is_long || text_.substr(at_, 3) == triple)) {
        at_ += is_long ? 3 : 1;
        return;
      }
      if (c == '\n' && !is_long) fail("a string has no end");
      if (c == '\\') {
        escape(out);
      } else {
        out += c;
        ++at_;
      }
    }
  }

  void escape(std::string& out) {
    constexpr std::string_view kNames = "abfnrtv\\'\"";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    ++at_;
    const char c = peek();
    if (at_ >= text_.size()) fail("a string has no end");
    if (c == '\n') {
      ++at_;  // a line that goes on
    } else if (const std::size_t known = kNames.find(c); known != std::string_view::npos) {
      out += kValues[known];
      ++at_;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      ++at_;
      code_point(out, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
    } else if (c >= '0' && c <= '7') {
      std::size_t digits = 1;
      while (digits < 3 && at_ + digits < text_.size() && text_[at_ + digits] >= '0' &&
             text_[at_ + digits] <= '7') {
        ++digits;
      }
      code_point(out, digits, 8);
    } else {
      out += '\\';  // Python keeps what it does not know
    }
  }

  void code_point(std::string& out, std::size_t digits, int base) {
    std::uint32_t value = 0;
    const char* begin = text_.data() + at_;
    const std::size_t there = std::min(digits, text_.size() - at_);
    const auto result = std::from_chars(begin, begin + there, value, base);
    if (there < digits || result.ptr != begin + digits || value > 0x10FFFF) {
      fail("an escape that is not understood");
    }
    at_ += digits;
    append_utf8(out, value >= 0xD800 && value < 0xE000 ? 0xFFFD : static_cast<char32_t>(value));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  JsonBuilder builder_;
};

}  // namespace

JsonValue parse_python_literal(std::string_view text) { return LiteralParser(text).parse(); }

}  // namespace longhaul
