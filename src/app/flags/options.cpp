#include "app/flags/options.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <string_view>
#include <type_traits>
#include <vector>

#include "app/flags/suggestion.h"
#include "core/error.h"

namespace po = boost::program_options;

namespace longhaul {
namespace {

constexpr std::size_t kTextWidth = 100;
constexpr std::string_view kDescribe = "--describe_flags";

/// Users of other tools type --like-this; our flags are --like_this.
std::string normalize_flag(std::string argument) {
  if (argument.rfind("--", 0) != 0) return argument;
  const std::size_t end = std::min(argument.find('='), argument.size());
  std::replace(argument.begin() + 2, argument.begin() + static_cast<std::ptrdiff_t>(end), '-', '_');
  return argument;
}

/// Some editors put one in front of a text file.
void skip_byte_order_mark(std::istream& file) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  std::array<char, kByteOrderMark.size()> begin{};
  file.read(begin.data(), begin.size());
  if (file && std::string_view(begin.data(), begin.size()) == kByteOrderMark) return;
  file.clear();
  file.seekg(0);
}

/// A flag's value, of one of the types that flags have.
std::string value_text(const boost::any& value) {
  std::string text;
  const auto try_type = [&](auto example) {
    using Type = decltype(example);
    const auto* const found = boost::any_cast<Type>(&value);
    if (found == nullptr) return false;
    if constexpr (std::is_same_v<Type, std::vector<std::string>>) {
      for (const std::string& part : *found)
        text += fmt::format("{}{}", text.empty() ? "" : " ", part);
    } else {
      text = fmt::format("{}", *found);
    }
    return true;
  };
  const bool known = try_type(std::string()) || try_type(bool()) || try_type(int()) ||
                     try_type(unsigned()) || try_type(std::int64_t()) ||
                     try_type(std::uint64_t()) || try_type(double()) ||
                     try_type(std::vector<std::string>());
  return known ? text : fmt::format("(a {})", value.type().name());
}

/// Is this the bare name of a flag whose value may be left out?
bool is_toggle(const po::options_description& flags, const std::string& argument) {
  if (argument.rfind("--", 0) != 0) return false;
  const po::option_description* flag = flags.find_nothrow(argument.substr(2), false);
  return flag != nullptr && flag->semantic()->min_tokens() == 0 &&
         flag->semantic()->max_tokens() == 1;
}

}  // namespace

bool asks_for_description(int argc, const char* const* argv) {
  return argc == 2 && argv[1] == kDescribe;
}

OptionParser::OptionParser(std::string usage, std::string summary, std::string config_flag)
    : usage_(std::move(usage)),
      summary_(std::move(summary)),
      config_flag_(std::move(config_flag)),
      help_stream_(&std::cout) {
  add("General")("help,h", "print this text and stop")(
      config_flag_.c_str(), po::value<std::string>()->value_name("FILE"),
      "read further flags from FILE, one 'flag = value' a line");
}

po::options_description_easy_init OptionParser::add(const std::string& group) {
  const auto found = std::find_if(groups_.begin(), groups_.end(),
                                  [&](const Group& other) { return other.heading == group; });
  if (found != groups_.end()) return found->flags.add_options();
  groups_.push_back({group, po::options_description(group)});
  return groups_.back().flags.add_options();
}

void OptionParser::add_section(std::string heading, std::string text) {
  sections_.emplace_back(std::move(heading), std::move(text));
}

void OptionParser::positional(const std::string& name, int max_count) {
  positional_.add(name.c_str(), max_count);
}

std::vector<FlagDescription> OptionParser::describe(const Group& group) const {
  std::vector<FlagDescription> flags;
  for (const auto& option : group.flags.options()) {
    flags.push_back(describe_flag(*option, group.heading));
  }
  return flags;
}

std::string OptionParser::help() const {
  std::string text = fmt::format("Usage: longhaul {}\n\n", usage_);
  for (const std::string& line : wrap_text(summary_, kTextWidth)) text += line + '\n';
  for (std::size_t i = 1; i <= groups_.size(); ++i) {
    const Group& group = groups_[i % groups_.size()];
    text += fmt::format("\n{}:\n{}", group.heading, help_lines(describe(group)));
  }
  for (const auto& [heading, about] : sections_) text += fmt::format("\n{}:\n{}\n", heading, about);
  return text;
}

std::string OptionParser::description_json() const {
  std::vector<FlagDescription> flags;
  for (const Group& group : groups_) {
    for (FlagDescription& flag : describe(group)) flags.push_back(std::move(flag));
  }
  const bool positional = positional_.max_total_count() > 0;
  return fmt::format("{{\n\"positional\": \"{}\",\n\"flags\": {}\n}}\n",
                     positional ? positional_.name_for_position(0) : "", flags_json(flags));
}

std::string OptionParser::suggestion(const std::string& unknown) const {
  std::vector<std::string> names;
  for (const auto& group : groups_) {
    for (const auto& option : group.flags.options()) names.push_back(option->long_name());
  }
  const std::string best = nearest_name(unknown, names);
  return best.empty() ? "" : fmt::format("; did you mean --{}?", best);
}

bool OptionParser::parse(int argc, char** argv) {
  const std::string command = argc > 0 ? argv[0] : "";
  const std::string see_help = fmt::format("'longhaul {} --help' lists the flags", command);
  po::options_description all;
  for (const Group& group : groups_) all.add(group.flags);
  if (asks_for_description(argc, argv)) {
    if (help_stream_ != nullptr) *help_stream_ << description_json() << std::flush;
    return false;
  }
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string argument = normalize_flag(argv[i]);
    if (is_toggle(all, argument)) {
      // Boost would take whatever follows for the value, be it a file's name.
      const std::string_view next = i + 1 < argc ? argv[i + 1] : "";
      const bool has_value = next == "true" || next == "false";
      argument += has_value ? fmt::format("={}", next) : "=true";
      i += has_value ? 1 : 0;
    }
    arguments.push_back(std::move(argument));
  }
  try {
    using po::command_line_style::style_t;
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(
        po::command_line_parser(arguments).options(all).positional(positional_).style(style).run(),
        values_);
    if (values_.count("help") != 0) {
      if (help_stream_ != nullptr) *help_stream_ << help() << std::flush;
      return false;
    }
    if (values_.count(config_flag_) != 0) {
      const auto path = values_[config_flag_].as<std::string>();
      std::ifstream file(path);
      if (!file) user_error("--{} {}: cannot be opened; check the path", config_flag_, path);
      skip_byte_order_mark(file);
      po::store(po::parse_config_file(file, all), values_);
    }
    po::notify(values_);
  } catch (const po::unknown_option& error) {
    std::string name = error.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    user_error("unknown flag --{}{}; {}", name, suggestion(name), see_help);
  } catch (const po::multiple_occurrences& error) {
    user_error("{} is given more than once; keep one of them", error.get_option_name());
  } catch (const po::too_many_positional_options_error&) {
    user_error("too many arguments after 'longhaul {}'; {}", command, see_help);
  } catch (const po::error& error) {
    user_error("{}; {}", error.what(), see_help);
  }
  return true;
}

std::map<std::string, std::string> OptionParser::values() const {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : values_) texts[name] = value_text(value.value());
  return texts;
}

bool OptionParser::given(const std::string& name) const {
  return values_.count(name) != 0 && !values_[name].defaulted();
}

}  // namespace longhaul
