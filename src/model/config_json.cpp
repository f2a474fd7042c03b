#include "model/config_json.h"

#include <cmath>

#include "core/json.h"

namespace longhaul {
namespace {

/// A value for a message, cut when long.
std::string shown(const nlohmann::json& value) {
  constexpr std::size_t kMaxShown = 60;
  std::string text = dump_json(value, -1, InvalidUtf8::replace);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

}  // namespace

const nlohmann::json* ConfigObject::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigObject::refuse(const char* key, std::string_view expected) const {
  const auto found = object_.find(key);
  if (found == object_.end()) {
    user_error("{}: the key '{}' is missing; it must be {}", where_, key, expected);
  }
  user_error("{}: '{}' is {}, but must be {}; correct the file", where_, key, shown(*found),
             expected);
}

std::int64_t ConfigObject::integer(const char* key, std::int64_t low, std::int64_t high) const {
  const std::optional<std::int64_t> value = optional_integer(key, low, high);
  if (!value) refuse(key, fmt::format("an integer from {} to {}", low, high));
  return *value;
}

std::optional<std::int64_t> ConfigObject::optional_integer(const char* key, std::int64_t low,
                                                           std::int64_t high) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  // Values above 2^63 are unsigned in the parser and would wrap: compare them as doubles first.
  if (!value->is_number_integer() || value->get<double>() > static_cast<double>(high) ||
      value->get<std::int64_t>() < low || value->get<std::int64_t>() > high) {
    refuse(key, fmt::format("an integer from {} to {}", low, high));
  }
  return value->get<std::int64_t>();
}

std::optional<double> ConfigObject::optional_number(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !std::isfinite(value->get<double>())) refuse(key, "a finite number");
  return value->get<double>();
}

double ConfigObject::positive_number(const char* key, double fallback) const {
  const std::optional<double> value = optional_number(key);
  if (value && !(*value > 0.0)) refuse(key, "a number above 0");
  return value.value_or(fallback);
}

bool ConfigObject::boolean(const char* key, bool fallback) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

std::optional<std::string> ConfigObject::optional_string(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse(key, "a string");
  return value->get<std::string>();
}

const nlohmann::json* ConfigObject::optional_object(const char* key) const {
  const nlohmann::json* value = find(key);
  if (value != nullptr && !value->is_object()) refuse(key, "an object or null");
  return value;
}

}  // namespace longhaul
