#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace longhaul {

enum class Visible : std::uint8_t {
  lines,  // newlines and tabs stay: a text to read
  marks   // nothing stays that looks like something else: one line, spaces other than ' ' spelled
};

/// Appends `text` in a form that a terminal shows and does not obey: control characters, characters
/// without a width and those that turn the writing direction become \n, \u001b, \u{e0041}, and
/// bytes that are not UTF-8 become \xff. (A backslash stays as it is.)
void append_visible(std::string& out, std::string_view text, Visible what);

/// The same as one line, for ids, file names and reasons in messages.
std::string visible(std::string_view text);

/// Code points in valid UTF-8.
std::int64_t count_characters(std::string_view text);
/// How many bytes the first `characters` code points take; all of them if there are no more.
std::size_t character_offset(std::string_view text, std::int64_t characters);

}  // namespace longhaul
