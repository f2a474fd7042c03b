#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace longhaul {

/// A JSON value that can be printed again exactly as Python's json.dumps prints what json.loads
/// read: object members keep the order of the text, and a number keeps its Python spelling.
///
/// A default-constructed value is `undefined`: what a missing key gives. It is no JSON value and
/// differs from null, as chat templates tell the two apart.
class JsonValue {
 public:
  enum class Kind : std::uint8_t { undefined, null, boolean, integer, real, string, array, object };

  struct Member;
  using Array = std::vector<JsonValue>;
  using Object = std::vector<Member>;  // keys are unique

  JsonValue();
  static JsonValue make_null();
  static JsonValue make_boolean(bool value);
  /// spelling: Python's str() of the number, e.g. "-7".
  static JsonValue make_integer(std::string spelling);
  /// spelling: Python's repr() of the float, e.g. "1e-05".
  static JsonValue make_real(std::string spelling);
  static JsonValue make_string(std::string text);
  static JsonValue make_array();
  static JsonValue make_object();
  static JsonValue make_object(Object members);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_undefined() const { return kind_ == Kind::undefined; }
  [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
  /// undefined or null
  [[nodiscard]] bool is_absent() const { return kind_ <= Kind::null; }
  [[nodiscard]] bool is_boolean() const { return kind_ == Kind::boolean; }
  [[nodiscard]] bool is_number() const { return kind_ == Kind::integer || kind_ == Kind::real; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::array; }
  [[nodiscard]] bool is_object() const { return kind_ == Kind::object; }

  // The accessors below throw InternalError when the kind is another one.
  [[nodiscard]] bool boolean() const;
  /// The spelling of an integer or real, or the text of a string.
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] std::string& text();
  [[nodiscard]] double number() const;  // nearest double; infinite when out of range
  [[nodiscard]] const Array& array() const;
  [[nodiscard]] Array& array();
  [[nodiscard]] const Object& object() const;
  [[nodiscard]] Object& object();

  /// The member `key`; undefined when it is missing or this is no object.
  [[nodiscard]] const JsonValue& get(std::string_view key) const;
  /// The same, to be moved from; null when missing.
  [[nodiscard]] JsonValue* find(std::string_view key);

  /// Python's truth: false for undefined, null, false, 0, 0.0, "", [] and {}.
  [[nodiscard]] bool truthy() const;

 private:
  using Data = std::variant<std::monostate, bool, std::string, Array, Object>;
  explicit JsonValue(Kind kind);
  template <typename T>
  static JsonValue make(Kind kind, T content);

  Kind kind_ = Kind::undefined;
  Data data_;
};

struct JsonValue::Member {
  std::string key;
  JsonValue value;
};

// Here, where Member is known.
inline JsonValue::JsonValue() = default;
inline JsonValue::JsonValue(Kind kind) : kind_(kind) {}

/// "a string", "null", "missing", ...: for messages.
std::string_view describe(JsonValue::Kind kind);

}  // namespace longhaul
