#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/utf8.h"

namespace longhaul {

/// Appends a code point below 0x110000 as UTF-8.
void append_utf8(std::string& out, char32_t code_point);

/// The position of the first byte that is not part of valid UTF-8 (surrogates and overlong forms
/// are invalid), or npos.
std::size_t find_invalid_utf8(std::string_view text);

/// Every maximal part of `bytes` that is not valid UTF-8 replaced by U+FFFD, as Rust's
/// String::from_utf8_lossy does.
std::string utf8_lossy(std::string_view bytes);

/// `text` (UTF-8) for a message: where it is longer than max_bytes, its middle is left out.
std::string abridge(std::string_view text, std::size_t max_bytes = 200);

}  // namespace longhaul
