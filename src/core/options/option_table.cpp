#include "core/options/option_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace longhaul {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json json_of(const T& value) {
  return value;
}

template <typename T>
Json json_of(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

Option& OptionTable::add(Option option) {
  const auto same = [&](const Option& other) { return other.name == option.name; };
  LONGHAUL_CHECK(std::none_of(options_.begin(), options_.end(), same), "--{} twice", option.name);
  return options_.emplace_back(std::move(option));
}

void OptionTable::check() const {
  for (const Option& option : options_) option.check();
}

std::string OptionTable::to_json() const {
  Json json = Json::object();
  for (const Option& option : options_) {
    json[option.name] =
        std::visit([](const auto* held) { return json_of(*held); }, option.variable);
  }
  // A path need not be UTF-8, which JSON must be.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

OptionRow<bool> OptionGroup::toggle(const char* name, bool* variable, const char* text) {
  Option& option = add_row(name, variable, one_of({"true", "false"}), text);
  option.value_optional = true;
  return {option, [variable] { return variable; }};
}

OptionRow<bool> OptionGroup::bare(const char* name, bool* variable, const char* text) {
  return {add_row(name, variable, "", text), [variable] { return variable; }};
}

Option& OptionGroup::add_row(const char* name, OptionVariable variable, const ValueKind& kind,
                             const char* text) {
  Option option;
  option.name = name;
  option.heading = heading_;
  option.kind = kind.text();
  option.choices = kind.choices;
  option.text = text;
  option.list = std::holds_alternative<std::vector<std::string>*>(variable);
  option.variable = variable;
  return table_.add(std::move(option));
}

void OptionGroup::refuse_others(OptionRow<std::string>& row, std::vector<std::string> choices,
                                const std::string& fallback) {
  row.check([choices = std::move(choices), fallback](const std::string& text) {
    const bool known =
        text == fallback || std::find(choices.begin(), choices.end(), text) != choices.end();
    return known ? "" : choose_one_of(choices);
  });
}

}  // namespace longhaul
