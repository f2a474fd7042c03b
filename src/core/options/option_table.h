#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/options/option.h"

namespace longhaul {

/// The flags of a command, one row each, in the order of --help. The parser, --help, completion,
/// the checks and the JSON that is kept of a run all come from these rows. The rows point to
/// variables, which must outlive the table.
class OptionTable {
 public:
  /// Names must differ. The reference lasts until the next row.
  Option& add(Option option);
  [[nodiscard]] const std::vector<Option>& options() const { return options_; }

  /// Checks each value by itself; throws UserError for the first that is refused.
  void check() const;
  /// Flag names and values as the text of a JSON object; null: an optional without a value.
  [[nodiscard]] std::string to_json() const;

 private:
  std::vector<Option> options_;
};

/// A row that was just added, to say more of it. T: the type of the values.
template <typename T>
class OptionRow {
 public:
  /// value: gives the variable's value; null where it has none.
  OptionRow(Option& option, std::function<const T*()> value)
      : option_(option), value_(std::move(value)) {}

  /// The flag must be given; `what` says what to give, as in "--save is missing: the directory
  /// ...".
  OptionRow& needed(std::string what) {
    option_.missing = std::move(what);
    return *this;
  }
  /// Needed, and --help says so beside the flag.
  OptionRow& required() {
    option_.required = true;
    return needed(option_.text);
  }

  OptionRow& at_least(T least) {
    return check([least](const T& value) {
      return value >= least ? "" : fmt::format("must be at least {}", least);
    });
  }
  OptionRow& above(T limit) {
    return check([limit](const T& value) {
      return value > limit ? "" : fmt::format("must be above {}", limit);
    });
  }
  /// least <= value <= most
  OptionRow& between(T least, T most) {
    return check([least, most](const T& value) {
      const bool good = value >= least && value <= most;
      return good ? "" : fmt::format("must be between {} and {}", least, most);
    });
  }
  /// least <= value < limit
  OptionRow& from_to_below(T least, T limit) {
    return check([least, limit](const T& value) {
      const bool good = value >= least && value < limit;
      return good ? "" : fmt::format("must be at least {} and below {}", least, limit);
    });
  }
  /// Refuses what `parse` throws UserError for.
  template <typename Parse>
  OptionRow& parsed_by(Parse parse) {
    return check([parse](const T& value) {
      (void)parse(value);
      return std::string();
    });
  }
  /// problem: what is wrong with a value, "must be above 0"; an empty text: nothing. It takes the
  /// place of an earlier check, also of the one that a kind with choices brings.
  OptionRow& check(std::function<std::string(const T&)> problem) {
    option_.problem = [value = value_, problem = std::move(problem)] {
      const T* const held = value();
      return held == nullptr ? "" : problem(*held);
    };
    return *this;
  }

 private:
  Option& option_;
  std::function<const T*()> value_;
};

/// Adds rows under one heading of --help.
class OptionGroup {
 public:
  OptionGroup(OptionTable& table, std::string heading)
      : table_(table), heading_(std::move(heading)) {}

  /// A flag whose default is what the variable holds; an empty text or list: none. Where the kind
  /// has choices and nothing else, other texts are refused.
  template <typename T>
  OptionRow<T> add(const char* name, T* variable, const ValueKind& kind, const char* text) {
    Option& option = add_row(name, variable, kind, text);
    if constexpr (!std::is_same_v<T, std::vector<std::string>>) {
      option.fallback = option.value_text();
    }
    OptionRow<T> row(option, [variable] { return variable; });
    if constexpr (std::is_same_v<T, std::string>) {
      if (!kind.choices.empty() && kind.other.empty()) {
        refuse_others(row, kind.choices, option.fallback);
      }
    }
    return row;
  }
  /// A flag that need not have a value.
  template <typename T>
  OptionRow<T> add(const char* name, std::optional<T>* variable, const ValueKind& kind,
                   const char* text) {
    return {add_row(name, variable, kind, text),
            [variable] { return variable->has_value() ? &**variable : nullptr; }};
  }
  /// --name true or --name false
  OptionRow<bool> add(const char* name, bool* variable, const char* text) {
    return add(name, variable, one_of({"true", "false"}), text);
  }
  /// A flag that is off by default; --name alone is understood, too.
  OptionRow<bool> toggle(const char* name, bool* variable, const char* text);
  /// A flag that is off by default and takes no value.
  OptionRow<bool> bare(const char* name, bool* variable, const char* text);

 private:
  Option& add_row(const char* name, OptionVariable variable, const ValueKind& kind,
                  const char* text);
  static void refuse_others(OptionRow<std::string>& row, std::vector<std::string> choices,
                            const std::string& fallback);

  OptionTable& table_;
  std::string heading_;
};

}  // namespace longhaul
