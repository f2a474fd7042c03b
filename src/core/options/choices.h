#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace longhaul {

/// A value of an enumeration and the word for it, on the command line and in files. An array of
/// them, in the order of --help, is what a flag's row, the parser of its value and name_of() share.
template <typename Enum>
struct Choice {
  Enum value;
  std::string_view name;
};

template <typename Enum, std::size_t count>
constexpr std::string_view name_in(const std::array<Choice<Enum>, count>& choices, Enum value) {
  for (const Choice<Enum>& choice : choices) {
    if (choice.value == value) return choice.name;
  }
  return "?";
}

template <typename Enum, std::size_t count>
std::vector<std::string> names_in(const std::array<Choice<Enum>, count>& choices) {
  std::vector<std::string> names;
  for (const Choice<Enum>& choice : choices) names.emplace_back(choice.name);
  return names;
}

/// "choose auto, cpu or cuda"
std::string choose_one_of(const std::vector<std::string>& names);

/// The value that `text` names. Throws UserError naming the flag and the choices for another text.
template <typename Enum, std::size_t count>
Enum parse_choice(std::string_view flag, std::string_view text,
                  const std::array<Choice<Enum>, count>& choices) {
  for (const Choice<Enum>& choice : choices) {
    if (choice.name == text) return choice.value;
  }
  user_error("--{} {}: {}", flag, text, choose_one_of(names_in(choices)));
}

}  // namespace longhaul
