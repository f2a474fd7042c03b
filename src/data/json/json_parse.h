#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "data/json/json_value.h"

namespace longhaul {

/// What is wrong with a text that should be JSON, and at which byte (counted from 1).
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Parses one JSON text (RFC 8259; a byte order mark in front is skipped).
///
/// Integers of up to 308 digits keep all of them. An escaped surrogate without its partner
/// ("\ud83d" cut off from its second half, as truncating programs leave behind) becomes U+FFFD, as
/// it does in Hugging Face tokenizers. Throws JsonError for anything that is not JSON, for bytes
/// that are not UTF-8, for floats out of double's range and for nesting deeper than 256 levels.
JsonValue parse_json(std::string_view text);

/// Reads and parses a whole file. Throws UserError naming the file.
JsonValue parse_json_file(const std::filesystem::path& path);

/// Replaces every escaped lone surrogate in JSON text by \ufffd, in place; the length stays.
void replace_lone_surrogates(std::string& text);

/// Does the text contain an escape of the surrogate range at all? A quick test that lets callers
/// avoid the copy for replace_lone_surrogates.
bool has_surrogate_escape(std::string_view text);

}  // namespace longhaul
