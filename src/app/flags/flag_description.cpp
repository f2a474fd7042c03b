#include "app/flags/flag_description.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/json.h"

namespace longhaul {
namespace {

namespace po = boost::program_options;

constexpr std::size_t kHelpWidth = 100;
constexpr std::size_t kTextColumn = 34;

/// Boost gives "N (=5)", "[=KIND(=implicit)]" or both, one after the other.
void take_apart(std::string name, FlagDescription& flag) {
  const std::size_t fallback = name.rfind(" (=");
  if (fallback != std::string::npos && name.back() == ')') {
    flag.fallback = name.substr(fallback + 3, name.size() - fallback - 4);
    name.resize(fallback);
  }
  if (name.rfind("[=", 0) == 0) {
    flag.value_optional = true;
    name = name.substr(2, name.rfind("(=") - 2);
  }
  flag.kind = name;
}

/// FILE, DIR and N stand for something; auto, qwen2.5 and swift-3.7 for themselves.
bool is_choice(const std::string& word) {
  return !word.empty() && std::none_of(word.begin(), word.end(),
                                       [](unsigned char c) { return std::isupper(c) != 0; });
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

}  // namespace

std::vector<std::string> FlagDescription::choices() const {
  if (kind.find('|') == std::string::npos) return {};
  std::vector<std::string> words = split(kind, '|');
  words.erase(std::remove_if(words.begin(), words.end(),
                             [](const std::string& word) { return !is_choice(word); }),
              words.end());
  return words;
}

FlagDescription describe_flag(const po::option_description& option, const std::string& heading) {
  FlagDescription flag;
  flag.name = option.long_name();
  flag.heading = heading;
  flag.text = option.description();
  const auto semantic = option.semantic();
  if (semantic->max_tokens() == 0) return flag;
  take_apart(semantic->name(), flag);
  flag.list = semantic->max_tokens() > 1;
  flag.required = semantic->is_required();
  return flag;
}

std::vector<std::string> wrap_text(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  for (const std::string& paragraph : split(text, '\n')) {
    lines.emplace_back();
    for (const std::string& word : split(paragraph, ' ')) {
      if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) {
        lines.emplace_back();
      }
      if (!lines.back().empty()) lines.back() += ' ';
      lines.back() += word;
    }
  }
  return lines;
}

std::string help_lines(const std::vector<FlagDescription>& flags) {
  std::string text;
  for (const FlagDescription& flag : flags) {
    std::string line = fmt::format("  --{}", flag.name);
    if (flag.value_optional) {
      line += fmt::format("[={}]", flag.kind);
    } else if (!flag.kind.empty()) {
      line += fmt::format(" {}", flag.kind);
    }
    if (flag.name == "help") line += ", -h";
    std::string about = flag.text;
    if (flag.required) about += " (required)";
    if (!flag.fallback.empty()) about += fmt::format(" (default: {})", flag.fallback);
    for (const std::string& part : wrap_text(about, kHelpWidth - kTextColumn)) {
      if (line.size() + 2 > kTextColumn) {
        text += line + '\n';
        line.clear();
      }
      line += std::string(kTextColumn - line.size(), ' ') + part;
      text += line + '\n';
      line.clear();
    }
  }
  return text;
}

std::string flags_json(const std::vector<FlagDescription>& flags) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const FlagDescription& flag : flags) {
    nlohmann::ordered_json one;
    one["name"] = flag.name;
    one["heading"] = flag.heading;
    one["value"] = flag.kind;
    one["value_optional"] = flag.value_optional;
    one["list"] = flag.list;
    one["required"] = flag.required;
    one["default"] = flag.fallback;
    one["choices"] = flag.choices();
    one["text"] = flag.text;
    all.push_back(std::move(one));
  }
  return dump_json(all, 1);
}

}  // namespace longhaul
