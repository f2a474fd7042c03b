#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/options/choices.h"

namespace longhaul {

/// What can stand after a flag, as --help shows it: "N", "auto|cpu|cuda", "auto|none|FILE".
struct ValueKind {
  /// other: in capitals, "N", "FILE|DIR"; "": the flag takes no value.
  ValueKind(const char* other) : other(other) {}  // NOLINT(google-explicit-constructor)
  explicit ValueKind(std::vector<std::string> choices, std::string other = "")
      : choices(std::move(choices)), other(std::move(other)) {}
  [[nodiscard]] std::string text() const;

  std::vector<std::string> choices;  // words that stand for themselves
  std::string other;                 // what else it can be; empty: nothing else
};

/// One of these words or, unless `other` is empty, that.
inline ValueKind one_of(std::vector<std::string> words, std::string other = "") {
  return ValueKind(std::move(words), std::move(other));
}

/// One of these words or of an enumeration's names.
template <typename Enum, std::size_t count>
ValueKind one_of(std::vector<std::string> words, const std::array<Choice<Enum>, count>& choices) {
  for (const Choice<Enum>& choice : choices) words.emplace_back(choice.name);
  return ValueKind(std::move(words));
}

template <typename Enum, std::size_t count>
ValueKind one_of(const std::array<Choice<Enum>, count>& choices) {
  return ValueKind(names_in(choices));
}

/// A flag as --help, completion and other programs are given it.
struct OptionDescription {
  std::string name;                  // "max_length"
  std::string heading;               // "Model and data"
  std::string kind;                  // "N", "auto|none|FILE"; empty: it takes no value
  std::vector<std::string> choices;  // the words of `kind` that stand for themselves
  std::string fallback;              // the default as text; empty: none
  std::string text;
  bool value_optional = false;  // --name alone means something too
  bool list = false;            // it takes several values
  bool required = false;        // and --help says so
};

/// Where a flag's value is stored. Until it is given, the variable holds the default; an optional
/// has none.
using OptionVariable = std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*,
                                    std::string*, std::vector<std::string>*,
                                    std::optional<std::int64_t>*, std::optional<std::string>*>;

/// A flag of a command: what it is called, where its value is, and what values it refuses.
struct Option : OptionDescription {
  OptionVariable variable;
  /// What to give, "the directory for checkpoints"; empty: the flag may be left out.
  std::string missing;
  /// What is wrong with the variable's value: "must be at least 1"; an empty text: nothing. Unset:
  /// every value of the type is good.
  std::function<std::string()> problem;

  /// Does the variable hold nothing: an empty text or list, an optional without a value?
  [[nodiscard]] bool is_empty() const;
  /// The variable's value; a list's with blanks between.
  [[nodiscard]] std::string value_text() const;
  /// Throws UserError that names the flag and its value, and says what to do.
  void check() const;
};

}  // namespace longhaul
