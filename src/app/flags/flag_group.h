#pragma once

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "app/flags/options.h"

namespace longhaul {

/// Declares flags under one heading of --help.
class FlagGroup {
 public:
  FlagGroup(OptionParser& parser, const char* heading) : add_(parser.add(heading)) {}

  /// A flag whose default is what the variable holds.
  template <typename T>
  void value(const char* name, T* variable, const char* kind, const char* text) {
    namespace po = boost::program_options;
    // Boost would print 0.1 as 0.10000000000000001 and true as 1.
    const std::string shown = fmt::format("{}", *variable);
    add_(name, po::value(variable)->default_value(*variable, shown)->value_name(kind), text);
  }
  /// A flag without a default.
  template <typename T>
  void plain(const char* name, T* variable, const char* kind, const char* text) {
    add_(name, boost::program_options::value(variable)->value_name(kind), text);
  }
  /// A flag that is off by default; --name, --name true and --name=false are understood.
  void toggle(const char* name, bool* variable, const char* text) {
    const auto value = boost::program_options::value(variable)->implicit_value(true, "true");
    add_(name, value->value_name("true|false"), text);
  }
  template <typename T>
  void list(const char* name, std::vector<T>* variable, const char* kind, const char* text) {
    add_(name, boost::program_options::value(variable)->multitoken()->value_name(kind), text);
  }
  template <typename T>
  void optional(const char* name, std::optional<T>* variable, const char* kind, const char* text) {
    const auto store = [variable](T value) { *variable = value; };
    add_(name, boost::program_options::value<T>()->value_name(kind)->notifier(store), text);
  }

 private:
  boost::program_options::options_description_easy_init add_;
};

}  // namespace longhaul
