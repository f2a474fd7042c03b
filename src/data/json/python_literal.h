#pragma once

#include <string_view>

#include "data/json/json_value.h"

namespace longhaul {

/// Parses the notation in which Python prints dictionaries, lists, tuples, strings, numbers, True,
/// False and None: "{'city': 'Oslo', 'days': [1, 2]}". Data written with str() instead of
/// json.dumps holds it. The value is what json.dumps makes of it: a tuple is a list, a key that is
/// a number, True, False or None is its JSON text as a string. Throws JsonError
/// (data/json/json_parse.h) for anything else; nesting as in parse_json.
JsonValue parse_python_literal(std::string_view text);

}  // namespace longhaul
