#include "data/json/json_value.h"

#include <charconv>
#include <cstdlib>
#include <limits>

#include "core/error.h"

namespace longhaul {

template <typename T>
JsonValue JsonValue::make(Kind kind, T content) {
  JsonValue value(kind);
  value.data_.emplace<T>(std::move(content));
  return value;
}

JsonValue JsonValue::make_null() { return JsonValue(Kind::null); }

JsonValue JsonValue::make_boolean(bool value) { return make(Kind::boolean, value); }

JsonValue JsonValue::make_integer(std::string spelling) {
  return make(Kind::integer, std::move(spelling));
}

JsonValue JsonValue::make_real(std::string spelling) {
  return make(Kind::real, std::move(spelling));
}

JsonValue JsonValue::make_string(std::string text) { return make(Kind::string, std::move(text)); }

JsonValue JsonValue::make_array() { return make(Kind::array, Array()); }

JsonValue JsonValue::make_object() { return make_object(Object()); }

JsonValue JsonValue::make_object(Object members) { return make(Kind::object, std::move(members)); }

bool JsonValue::boolean() const {
  LONGHAUL_CHECK(is_boolean(), "JSON value is {}", describe(kind_));
  return std::get<bool>(data_);
}

const std::string& JsonValue::text() const {
  LONGHAUL_CHECK(is_string() || is_number(), "JSON value is {}", describe(kind_));
  return std::get<std::string>(data_);
}

std::string& JsonValue::text() {
  LONGHAUL_CHECK(is_string() || is_number(), "JSON value is {}", describe(kind_));
  return std::get<std::string>(data_);
}

double JsonValue::number() const {
  LONGHAUL_CHECK(is_number(), "JSON value is {}", describe(kind_));
  const auto& spelling = std::get<std::string>(data_);
  double value = 0.0;
  const auto [end, error] =
      std::from_chars(spelling.data(), spelling.data() + spelling.size(), value);
  if (error == std::errc::result_out_of_range) {
    const double infinity = std::numeric_limits<double>::infinity();
    return spelling.front() == '-' ? -infinity : infinity;
  }
  return value;
}

const JsonValue::Array& JsonValue::array() const {
  LONGHAUL_CHECK(is_array(), "JSON value is {}", describe(kind_));
  return std::get<Array>(data_);
}

JsonValue::Array& JsonValue::array() {
  LONGHAUL_CHECK(is_array(), "JSON value is {}", describe(kind_));
  return std::get<Array>(data_);
}

const JsonValue::Object& JsonValue::object() const {
  LONGHAUL_CHECK(is_object(), "JSON value is {}", describe(kind_));
  return std::get<Object>(data_);
}

JsonValue::Object& JsonValue::object() {
  LONGHAUL_CHECK(is_object(), "JSON value is {}", describe(kind_));
  return std::get<Object>(data_);
}

const JsonValue& JsonValue::get(std::string_view key) const {
  static const JsonValue undefined;
  if (is_object()) {
    for (const Member& member : std::get<Object>(data_)) {
      if (member.key == key) return member.value;
    }
  }
  return undefined;
}

JsonValue* JsonValue::find(std::string_view key) {
  if (is_object()) {
    for (Member& member : std::get<Object>(data_)) {
      if (member.key == key) return &member.value;
    }
  }
  return nullptr;
}

bool JsonValue::truthy() const {
  switch (kind_) {
    case Kind::undefined:
    case Kind::null:
      return false;
    case Kind::boolean:
      return std::get<bool>(data_);
    case Kind::integer:
      return std::get<std::string>(data_) != "0";
    case Kind::real:
      return number() != 0.0;
    case Kind::string:
      return !std::get<std::string>(data_).empty();
    case Kind::array:
      return !std::get<Array>(data_).empty();
    case Kind::object:
      return !std::get<Object>(data_).empty();
  }
  return false;
}

std::string_view describe(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::undefined:
      return "missing";
    case JsonValue::Kind::null:
      return "null";
    case JsonValue::Kind::boolean:
      return "a boolean";
    case JsonValue::Kind::integer:
    case JsonValue::Kind::real:
      return "a number";
    case JsonValue::Kind::string:
      return "a string";
    case JsonValue::Kind::array:
      return "a list";
    case JsonValue::Kind::object:
      return "an object";
  }
  return "?";
}

}  // namespace longhaul
