#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data/rows/row.h"

namespace longhaul {

enum class RowForm : std::uint8_t {
  training,  // every accepted spelling is turned into one form; what makes no sense is a RowError
  swift,     // the same, and what only ms-swift reads another way is read its way
  swift_strict,  // as ms-swift reads it: what it drops is a RowError, what it overlooks is left out
  verbatim  // messages and tools go to the template as they are, as apply_chat_template takes them
};

/// Turns a parsed line into a Row: docs/data.md lists the accepted forms and the reasons. Throws
/// RowError. The row's file and line stay unset; an absent id stays empty.
Row parse_row(JsonValue value, RowForm form);

/// The id of a line that parsed as JSON: a string as it is, a number as spelled, else "".
std::string row_id(const JsonValue& value);

}  // namespace longhaul
