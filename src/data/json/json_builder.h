#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/json/json_value.h"

namespace longhaul {

/// Builds a JsonValue from the events of nlohmann's SAX parser. Include only from .cpp files: the
/// parser's header is slow to compile.
class JsonBuilder {
 public:
  /// Deeper nesting ends the parse: no row needs it, and destroying or printing a value recurses.
  static constexpr std::size_t kMaxDepth = 256;

  bool null() { return add(JsonValue::make_null()); }
  bool boolean(bool value) { return add(JsonValue::make_boolean(value)); }
  bool number_integer(std::int64_t value) {
    return add(JsonValue::make_integer(std::to_string(value)));
  }
  bool number_unsigned(std::uint64_t value) {
    return add(JsonValue::make_integer(std::to_string(value)));
  }
  /// raw: the number as spelled; also comes here for integers beyond 64 bits.
  bool number_float(double value, const std::string& raw);
  bool string(std::string& text) { return add(JsonValue::make_string(std::move(text))); }
  static bool binary(std::vector<std::uint8_t>& /*bytes*/) { return false; }
  bool start_object(std::size_t /*size*/) { return open(JsonValue::make_object()); }
  bool start_array(std::size_t /*size*/) { return open(JsonValue::make_array()); }
  bool key(std::string& name) {
    keys_.push_back(std::move(name));
    return true;
  }
  bool end_object();
  bool end_array() { return close(); }
  bool parse_error(std::size_t byte, const std::string& token,
                   const nlohmann::json::exception& error);

  /// Empty, or what is wrong with the text, with the byte where it is.
  [[nodiscard]] const std::string& error() const { return error_; }
  /// The value of the whole text.
  [[nodiscard]] JsonValue& result() { return root_; }
  [[nodiscard]] std::size_t depth() const { return open_.size(); }

 private:
  bool add(JsonValue value);
  bool open(JsonValue container);
  bool close();

  JsonValue root_;
  std::vector<JsonValue> open_;    // containers whose end has not been seen, outermost first
  std::vector<std::string> keys_;  // keys whose value has not been completed
  std::string error_;
};

}  // namespace longhaul
