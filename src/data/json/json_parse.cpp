#include "data/json/json_parse.h"

#include "core/error.h"
#include "core/file.h"
#include "data/json/json_builder.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

/// The value of the four hexadecimal digits at text[at], or -1.
int hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

bool is_high_surrogate(int unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low_surrogate(int unit) { return unit >= 0xDC00 && unit < 0xE000; }

}  // namespace

bool has_surrogate_escape(std::string_view text) {
  for (std::size_t at = text.find("\\u"); at != std::string_view::npos;
       at = text.find("\\u", at + 2)) {
    const int unit = hex4(text, at + 2);
    if (is_high_surrogate(unit) || is_low_surrogate(unit)) return true;
  }
  return false;
}

void replace_lone_surrogates(std::string& text) {
  std::size_t at = 0;
  while ((at = text.find('\\', at)) != std::string::npos) {
    if (at + 1 >= text.size() || text[at + 1] != 'u') {
      at += 2;  // also steps over an escaped backslash
      continue;
    }
    const int unit = hex4(text, at + 2);
    if (is_high_surrogate(unit)) {
      const bool paired = at + 8 <= text.size() && text[at + 6] == '\\' && text[at + 7] == 'u' &&
                          is_low_surrogate(hex4(text, at + 8));
      if (paired) {
        at += 12;
        continue;
      }
    }
    if (is_high_surrogate(unit) || is_low_surrogate(unit)) text.replace(at, 6, "\\ufffd");
    at += 6;
  }
}

JsonValue parse_json(std::string_view text) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    throw JsonError(fmt::format("not UTF-8, at byte {}", bad + 1));
  }
  // The parser would take one for the end of the text, and not look at what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw JsonError(fmt::format("a NUL byte that is not escaped, at byte {}", nul + 1));
  }
  std::string repaired;
  if (has_surrogate_escape(text)) {
    repaired = text;
    replace_lone_surrogates(repaired);
    text = repaired;
  }
  JsonBuilder builder;
  const bool good = nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &builder);
  if (!good || !builder.error().empty()) throw JsonError(builder.error());
  return std::move(builder.result());
}

JsonValue parse_json_file(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  try {
    return parse_json(text);
  } catch (const JsonError& error) {
    user_error("{}: not valid JSON: {}", path.string(), error.what());
  }
}

}  // namespace longhaul
