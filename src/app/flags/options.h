#pragma once

#include <boost/program_options.hpp>
#include <deque>
#include <iosfwd>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "app/flags/flag_description.h"

namespace longhaul {

/// Is an OptionParser asked by program to describe its flags? The only argument is then
/// --describe_flags, which is for `longhaul completion` and for scripts.
bool asks_for_description(int argc, const char* const* argv);

/// The flags of one subcommand: Boost.Program_options with --help, --config FILE and errors that
/// say what to do. Flags are spelled --like_this; "--like-this" is accepted too.
class OptionParser {
 public:
  /// usage: the part after "longhaul ", e.g. "init --config FILE --output DIR [flags]".
  /// summary: one or two sentences printed above the flags.
  /// config_flag: the flag that reads further flags from a file, where "config" means something
  /// else.
  OptionParser(std::string usage, std::string summary, std::string config_flag = "config");

  /// Where flags are declared: parser.add("Data")("dataset", po::value(&x), "text").
  boost::program_options::options_description_easy_init add(const std::string& group);
  /// A positional argument, stored under the flag `name`, which must be declared too.
  void positional(const std::string& name, int max_count = 1);

  /// Text that --help prints below the flags, under a heading of its own.
  void add_section(std::string heading, std::string text);

  /// Parses and stores into the declared variables. Returns false when --help or --describe_flags
  /// was asked for and printed. Throws UserError for unknown, ambiguous, malformed or missing
  /// required flags. Values on the command line win over those in --config files.
  bool parse(int argc, char** argv);

  /// --help prints here; null: nowhere (ranks other than 0). Standard output by default.
  void set_help_stream(std::ostream* out) { help_stream_ = out; }

  /// Was the flag given by the user (not defaulted)?
  [[nodiscard]] bool given(const std::string& name) const;
  /// Every flag that has a value, given or default, with the value as text.
  [[nodiscard]] std::map<std::string, std::string> values() const;
  [[nodiscard]] std::string help() const;

 private:
  struct Group {
    std::string heading;
    boost::program_options::options_description flags;
  };
  [[nodiscard]] std::string suggestion(const std::string& unknown) const;
  [[nodiscard]] std::vector<FlagDescription> describe(const Group& group) const;
  [[nodiscard]] std::string description_json() const;

  std::string usage_;
  std::string summary_;
  std::string config_flag_;
  std::deque<Group> groups_;  // the first is "General", which comes last
  std::vector<std::pair<std::string, std::string>> sections_;
  boost::program_options::positional_options_description positional_;
  boost::program_options::variables_map values_;
  std::ostream* help_stream_;
};

}  // namespace longhaul
