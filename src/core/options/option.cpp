#include "core/options/option.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <type_traits>

namespace longhaul {
namespace {

template <typename T>
std::string text_of(const T& value) {
  return fmt::format("{}", value);
}

std::string text_of(const std::vector<std::string>& values) {
  return fmt::format("{}", fmt::join(values, " "));
}

template <typename T>
std::string text_of(const std::optional<T>& value) {
  return value ? text_of(*value) : "";
}

template <typename T>
constexpr bool holds_nothing(const T& /*value*/) {
  return false;
}

bool holds_nothing(const std::string& text) { return text.empty(); }
bool holds_nothing(const std::vector<std::string>& values) { return values.empty(); }

template <typename T>
bool holds_nothing(const std::optional<T>& value) {
  return !value;
}

}  // namespace

std::string ValueKind::text() const {
  std::string text = fmt::format("{}", fmt::join(choices, "|"));
  if (!text.empty() && !other.empty()) text += '|';
  return text + other;
}

bool Option::is_empty() const {
  return std::visit([](const auto* held) { return holds_nothing(*held); }, variable);
}

std::string Option::value_text() const {
  return std::visit([](const auto* held) { return text_of(*held); }, variable);
}

void Option::check() const {
  if (!missing.empty() && is_empty()) user_error("--{} is missing: {}", name, missing);
  if (!problem) return;
  const std::string wrong = problem();
  if (!wrong.empty()) user_error("--{} {}: {}", name, value_text(), wrong);
}

}  // namespace longhaul
