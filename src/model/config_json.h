#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace longhaul {

/// Typed access to one JSON object of a config.json, with errors that name file and key. A key
/// whose value is null counts as absent.
class ConfigObject {
 public:
  /// object must outlive this. where: "models/x/config.json", or "..., rope_scaling".
  ConfigObject(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  [[nodiscard]] const std::string& where() const { return where_; }
  /// Null when the key is absent.
  [[nodiscard]] const nlohmann::json* find(const char* key) const;
  /// Is the key there, be it with the value null?
  [[nodiscard]] bool contains(const char* key) const { return object_.contains(key); }

  /// An integer in [low, high]; throws UserError when it is missing, not one, or outside.
  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t low, std::int64_t high) const;
  [[nodiscard]] std::optional<std::int64_t> optional_integer(const char* key, std::int64_t low,
                                                             std::int64_t high) const;
  /// A finite number.
  [[nodiscard]] std::optional<double> optional_number(const char* key) const;
  /// A finite number above zero.
  [[nodiscard]] double positive_number(const char* key, double fallback) const;
  [[nodiscard]] bool boolean(const char* key, bool fallback) const;
  [[nodiscard]] std::optional<std::string> optional_string(const char* key) const;
  /// An object, or null when absent.
  [[nodiscard]] const nlohmann::json* optional_object(const char* key) const;

  /// Throws UserError: "<where>: <key> is <value>, but must be <expected>".
  [[noreturn]] void refuse(const char* key, std::string_view expected) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace longhaul
