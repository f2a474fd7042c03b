#pragma once

#include <cstddef>
#include <string_view>

namespace longhaul {

/// The bytes of the character at text[at] when Python counts it as white space (str.isspace, and
/// \s of its regular expressions), else 0. text[at] must begin a character of valid UTF-8.
std::size_t python_space_length(std::string_view text, std::size_t at);

/// `text` without white space at its ends: Python's str.strip().
std::string_view python_strip(std::string_view text);

}  // namespace longhaul
