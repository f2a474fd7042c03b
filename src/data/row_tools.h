#pragma once

#include <string>

#include "data/json_value.h"

namespace longhaul {

/// A row's "tools" as a list of objects. Accepts a list of objects, a list of JSON strings, one
/// JSON string that holds a list or an object, one object, and nothing (an empty list). A bare
/// {"name": ..} becomes {"type": "function", "function": {"name": ..}}. Throws RowError.
JsonValue normalize_tools(JsonValue tools);

/// Appends the calls in `calls` to `out`, a list, as {"name": .., "arguments": ..} objects. Accepts
/// a list of calls or one call; a call is {"function": {"name", "arguments"}} or {"name",
/// "arguments"} ("parameters" instead of "arguments" too). Arguments given as a JSON string are
/// parsed, absent ones become {}. `where` begins the text of the RowError that it throws.
void append_tool_calls(JsonValue calls, const std::string& where, JsonValue& out);

}  // namespace longhaul
