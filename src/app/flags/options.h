#pragma once

#include <boost/program_options.hpp>
#include <iosfwd>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/options/option_table.h"

namespace longhaul {

/// Is an OptionParser asked by program to describe its flags? The only argument is then
/// --describe_flags, which is for `longhaul completion` and for scripts.
bool asks_for_description(int argc, const char* const* argv);

/// The command line of one subcommand, made of its table: Boost.Program_options with --help,
/// --config FILE and errors that say what to do. Flags are spelled --like_this; "--like-this" is
/// accepted too.
class OptionParser {
 public:
  /// usage: the part after "longhaul ", e.g. "init --config FILE --output DIR [flags]".
  /// summary: one or two sentences printed above the flags.
  /// config_flag: the flag that reads further flags from a file, where "config" means something
  /// else.
  OptionParser(std::string usage, std::string summary, OptionTable table,
               std::string config_flag = "config");

  /// A positional argument, stored as the flag `name` of the table is.
  void positional(const std::string& name, int max_count = 1);

  /// Text that --help prints below the flags, under a heading of its own.
  void add_section(std::string heading, std::string text);

  /// Parses, stores into the table's variables and checks each value. Returns false when --help or
  /// --describe_flags was asked for and printed. Throws UserError for flags that are unknown,
  /// ambiguous or missing, and for values that are malformed or refused by the table. Values on the
  /// command line win over those in --config files.
  bool parse(int argc, char** argv);

  /// --help prints here; null: nowhere (ranks other than 0). Standard output by default.
  void set_help_stream(std::ostream* out) { help_stream_ = out; }

  [[nodiscard]] const OptionTable& table() const { return table_; }
  /// Every flag of the table that was given or has a default, with its value as text.
  [[nodiscard]] std::map<std::string, std::string> values() const;
  [[nodiscard]] std::string help() const;

 private:
  [[nodiscard]] bool given(const std::string& name) const;
  [[nodiscard]] std::string suggestion(const std::string& unknown) const;
  [[nodiscard]] std::string description_json() const;
  /// The arguments as Boost reads them.
  [[nodiscard]] std::vector<std::string> normalize(int argc, char** argv) const;
  /// Reads them, and the file of flags that they name. False: --help is among them.
  bool store(const std::vector<std::string>& arguments);

  std::string usage_;
  std::string summary_;
  OptionTable table_;
  std::string config_flag_;
  std::vector<std::pair<std::string, std::string>> sections_;
  boost::program_options::positional_options_description positional_;
  boost::program_options::variables_map values_;
  std::ostream* help_stream_;
};

}  // namespace longhaul
