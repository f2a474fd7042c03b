#pragma once

#include <cstdint>
#include <string>

#include "data/json/json_value.h"

namespace longhaul {

/// Which tools are wrapped as {"type": "function", "function": ..}, as templates expect them.
enum class BareTool : std::uint8_t {
  named,   // an object with a "name", without "type" and "function"
  untyped  // any object without "type" and "function", as ms-swift does
};

/// A row's "tools" as a list of objects. Accepts a list of objects, a list of JSON strings, one
/// JSON string that holds a list or an object, one object, and nothing (an empty list). Strings may
/// hold Python literals, too. Throws RowError.
JsonValue normalize_tools(JsonValue tools, BareTool bare);

/// The value of a string that should hold JSON or a Python literal. `where` begins the RowError.
JsonValue parse_value(const std::string& text, const std::string& where);

/// Appends the calls in `calls` to `out`, a list, as {"name": .., "arguments": ..} objects. Accepts
/// a list of calls or one call; a call is {"function": {"name", "arguments"}} or {"name",
/// "arguments"} ("parameters" instead of "arguments" too). Arguments given as a JSON string
/// (or a Python literal) are parsed, absent ones become {}. `where` begins the text of the RowError
/// that it throws.
void append_tool_calls(JsonValue calls, const std::string& where, JsonValue& out);

}  // namespace longhaul
