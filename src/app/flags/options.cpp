#include "app/flags/options.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "app/flags/help_text.h"
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

/// --help and the flag that names a file of flags, which every command has.
struct GeneralFlags {
  bool help = false;
  std::string config;

  OptionTable table(const std::string& config_flag) {
    OptionTable table;
    OptionGroup general(table, "General");
    general.bare("help", &help, "print this text and stop");
    general.add(config_flag.c_str(), &config, "FILE",
                "read further flags from FILE, one 'flag = value' a line");
    return table;
  }
};

std::vector<Option> joined(std::vector<Option> first, const std::vector<Option>& then) {
  first.insert(first.end(), then.begin(), then.end());
  return first;
}

/// How Boost reads a flag's value and where it stores it.
const po::value_semantic* semantic_of(const Option& option) {
  return std::visit(
      [&](auto* variable) -> const po::value_semantic* {
        using T = std::remove_pointer_t<decltype(variable)>;
        if constexpr (std::is_same_v<T, bool>) {
          if (option.kind.empty()) return po::bool_switch(variable);
          if (option.value_optional) return po::value(variable)->implicit_value(true, "true");
        }
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          return po::value(variable)->multitoken();
        } else if constexpr (std::is_same_v<T, std::optional<std::int64_t>> ||
                             std::is_same_v<T, std::optional<std::string>>) {
          const auto store = [variable](const typename T::value_type& value) { *variable = value; };
          return po::value<typename T::value_type>()->notifier(store);
        } else {
          return po::value(variable);
        }
      },
      option.variable);
}

}  // namespace

bool asks_for_description(int argc, const char* const* argv) {
  return argc == 2 && argv[1] == kDescribe;
}

OptionParser::OptionParser(std::string usage, std::string summary, OptionTable table,
                           std::string config_flag)
    : usage_(std::move(usage)),
      summary_(std::move(summary)),
      table_(std::move(table)),
      config_flag_(std::move(config_flag)),
      help_stream_(&std::cout) {}

void OptionParser::add_section(std::string heading, std::string text) {
  sections_.emplace_back(std::move(heading), std::move(text));
}

void OptionParser::positional(const std::string& name, int max_count) {
  positional_.add(name.c_str(), max_count);
}

std::string OptionParser::help() const {
  std::string text = fmt::format("Usage: longhaul {}\n\n", usage_);
  for (const std::string& line : wrap_text(summary_, kTextWidth)) text += line + '\n';
  GeneralFlags general;
  text += help_text(joined(table_.options(), general.table(config_flag_).options()));
  for (const auto& [heading, about] : sections_) text += fmt::format("\n{}:\n{}\n", heading, about);
  return text;
}

std::string OptionParser::description_json() const {
  GeneralFlags general;
  const bool positional = positional_.max_total_count() > 0;
  return fmt::format(
      "{{\n\"positional\": \"{}\",\n\"flags\": {}\n}}\n",
      positional ? positional_.name_for_position(0) : "",
      descriptions_json(joined(general.table(config_flag_).options(), table_.options())));
}

std::string OptionParser::suggestion(const std::string& unknown) const {
  std::vector<std::string> names{"help", config_flag_};
  for (const Option& option : table_.options()) names.push_back(option.name);
  const std::string best = nearest_name(unknown, names);
  return best.empty() ? "" : fmt::format("; did you mean --{}?", best);
}

std::vector<std::string> OptionParser::normalize(int argc, char** argv) const {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string argument = normalize_flag(argv[i]);
    const auto toggles = [&](const Option& option) {
      return option.value_optional && argument == fmt::format("--{}", option.name);
    };
    if (std::any_of(table_.options().begin(), table_.options().end(), toggles)) {
      // Boost would take whatever follows for the value, be it a file's name.
      const std::string_view next = i + 1 < argc ? argv[i + 1] : "";
      const bool has_value = next == "true" || next == "false";
      argument += has_value ? fmt::format("={}", next) : "=true";
      i += has_value ? 1 : 0;
    }
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

bool OptionParser::store(const std::vector<std::string>& arguments) {
  GeneralFlags general;
  po::options_description all;
  for (const Option& option : joined(table_.options(), general.table(config_flag_).options())) {
    const std::string name = option.name == "help" ? "help,h" : option.name;
    all.add_options()(name.c_str(), semantic_of(option), option.text.c_str());
  }
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::store(
      po::command_line_parser(arguments).options(all).positional(positional_).style(style).run(),
      values_);
  if (given("help")) return false;
  if (given(config_flag_)) {
    const auto path = values_[config_flag_].as<std::string>();
    std::ifstream file(path);
    if (!file) user_error("--{} {}: cannot be opened; check the path", config_flag_, path);
    skip_byte_order_mark(file);
    po::store(po::parse_config_file(file, all), values_);
  }
  po::notify(values_);
  return true;
}

bool OptionParser::parse(int argc, char** argv) {
  const std::string command = argc > 0 ? argv[0] : "";
  const std::string see_help = fmt::format("'longhaul {} --help' lists the flags", command);
  if (asks_for_description(argc, argv)) {
    if (help_stream_ != nullptr) *help_stream_ << description_json() << std::flush;
    return false;
  }
  try {
    if (!store(normalize(argc, argv))) {
      if (help_stream_ != nullptr) *help_stream_ << help() << std::flush;
      return false;
    }
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
  table_.check();
  return true;
}

std::map<std::string, std::string> OptionParser::values() const {
  std::map<std::string, std::string> texts;
  for (const Option& option : table_.options()) {
    if (given(option.name) || !option.fallback.empty()) texts[option.name] = option.value_text();
  }
  return texts;
}

bool OptionParser::given(const std::string& name) const {
  return values_.count(name) != 0 && !values_[name].defaulted();
}

}  // namespace longhaul
