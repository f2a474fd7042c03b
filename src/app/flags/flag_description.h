#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace longhaul {

/// A flag as --help tells of it.
struct FlagDescription {
  std::string name;      // "max_length"
  std::string heading;   // "Model and data"
  std::string kind;      // "N", "DIR", "auto|cpu|cuda"; empty: it takes no value
  std::string fallback;  // the default as text; empty: none
  std::string text;
  bool value_optional = false;  // --name alone means something too
  bool list = false;            // it takes several values
  bool required = false;

  /// The values to choose from: the words in lower case of "auto|none|FILE".
  [[nodiscard]] std::vector<std::string> choices() const;
};

FlagDescription describe_flag(const boost::program_options::option_description& option,
                              const std::string& heading);

/// The text in lines of at most `width` columns, at words; lines that it has stay apart.
std::vector<std::string> wrap_text(const std::string& text, std::size_t width);

/// A heading's flags as lines of --help.
std::string help_lines(const std::vector<FlagDescription>& flags);

/// The flags as a JSON array, for programs.
std::string flags_json(const std::vector<FlagDescription>& flags);

}  // namespace longhaul
