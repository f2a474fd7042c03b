#pragma once

#include <string>

#include "data/rows/row.h"

namespace longhaul {

/// Reads a row's messages and tools as ms-swift does: the roles and keys that it knows, every other
/// key of a message but "loss" left out, calls only from messages of their own. Throws RowError for
/// what makes it drop the row.
void parse_as_swift(JsonValue& value, Row& row);

/// Appends the text of a content that is a list of {"type": "text", "text": ..} to `out`. Returns
/// false when it holds anything else.
bool join_text_parts(const JsonValue& content, std::string& out);

}  // namespace longhaul
