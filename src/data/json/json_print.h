#pragma once

#include <string>
#include <string_view>

#include "data/json/json_value.h"

namespace longhaul {

/// Appends what Python's json.dumps(value, ensure_ascii=False) prints: separators ", " and ": ",
/// key order kept; only ", \, and characters below U+0020 are escaped. `undefined` is an
/// InternalError.
void append_json(std::string& out, const JsonValue& value);
std::string to_json(const JsonValue& value);

/// Appends `text` (UTF-8) as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

/// Python's repr() of a float: the shortest digits that read back equal, with an exponent below
/// 1e-4 and from 1e16 on: "1.0", "100000.0", "1e+16", "1.5e-07".
std::string python_float(double value);

/// Appends Python's str(value), which is what a template prints for a value that is no string:
/// "None", "True", "[1, 'a']", "{'k': None}"; nothing for undefined. Returns false, with `out`
/// unspecified, when it cannot be known here: a string inside a container that holds a character
/// for which Python's repr() would need the Unicode version of the interpreter.
bool append_python_str(std::string& out, const JsonValue& value);

}  // namespace longhaul
