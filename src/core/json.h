#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace longhaul {

// nlohmann's parser and printer cost three seconds in every file that instantiates them. Here they
// are compiled once. Json is nlohmann::json or nlohmann::ordered_json.

/// Throws nlohmann's parse_error. on_event: called while parsing, as nlohmann describes it.
template <typename Json>
Json parse_json(std::string_view text, const typename Json::parser_callback_t& on_event = nullptr);

/// A value with is_discarded() where the text is not JSON.
template <typename Json>
Json parse_json_or_discard(std::string_view text);

enum class InvalidUtf8 : std::uint8_t {
  refuse,   // throws nlohmann's type_error
  replace,  // by U+FFFD: for what may hold file names and texts of other programs
};

/// indent: spaces a level; -1: all on one line.
template <typename Json>
std::string dump_json(const Json& json, int indent = -1, InvalidUtf8 invalid = InvalidUtf8::refuse);

}  // namespace longhaul
