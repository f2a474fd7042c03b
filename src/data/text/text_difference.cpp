#include "data/text/text_difference.h"

#include <algorithm>

#include "core/utf8.h"
#include "data/text/visible_text.h"

namespace longhaul {
namespace {

bool inside_character(std::string_view text, std::size_t at) {
  return at < text.size() && is_utf8_continuation(text[at]);
}

/// The last `characters` of `text`.
std::string tail(std::string_view text, std::int64_t characters) {
  std::size_t begin = text.size();
  while (begin > 0 && characters > 0) {
    --begin;
    if (!inside_character(text, begin)) --characters;
  }
  std::string out = begin > 0 ? "…" : "";
  append_visible(out, text.substr(begin), Visible::marks);
  return out;
}

/// The first `characters` of `text`. Blanks in front are marked: they may be all that differs.
std::string head(std::string_view text, std::int64_t characters) {
  if (text.empty()) return "(end of the text)";
  const std::size_t end = character_offset(text, characters);
  std::string out;
  std::size_t at = 0;
  for (; at < end && text[at] == ' '; ++at) out += "␣";
  append_visible(out, text.substr(at, end - at), Visible::marks);
  if (end < text.size()) out += "…";
  return out;
}

}  // namespace

std::optional<TextDifference> find_difference(std::string_view ours, std::string_view theirs,
                                              std::int64_t context) {
  const std::size_t shorter = std::min(ours.size(), theirs.size());
  auto at = static_cast<std::size_t>(
      std::mismatch(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(shorter),
                    theirs.begin())
          .first -
      ours.begin());
  if (at == ours.size() && at == theirs.size()) return std::nullopt;
  while (at > 0 && (inside_character(ours, at) || inside_character(theirs, at))) --at;

  const std::string_view same = ours.substr(0, at);
  const std::size_t line_begin = same.rfind('\n') + 1;  // npos + 1 is 0
  TextDifference difference;
  difference.byte = static_cast<std::int64_t>(at) + 1;
  difference.line = std::count(same.begin(), same.end(), '\n') + 1;
  difference.column = count_characters(same.substr(line_begin)) + 1;
  difference.before = tail(same, context);
  difference.ours = head(ours.substr(at), context);
  difference.theirs = head(theirs.substr(at), context);
  return difference;
}

}  // namespace longhaul
