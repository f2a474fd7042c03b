#include "app/flags/help_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace longhaul {
namespace {

constexpr std::size_t kHelpWidth = 100;
constexpr std::size_t kTextColumn = 34;

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

/// "  --lr X      highest learning rate (default: 1e-05)", in as many lines as it takes.
std::string option_lines(const OptionDescription& option) {
  std::string line = fmt::format("  --{}", option.name);
  if (option.value_optional) {
    line += fmt::format("[={}]", option.kind);
  } else if (!option.kind.empty()) {
    line += fmt::format(" {}", option.kind);
  }
  if (option.name == "help") line += ", -h";
  std::string about = option.text;
  if (option.required) about += " (required)";
  if (!option.fallback.empty()) about += fmt::format(" (default: {})", option.fallback);
  std::string text;
  for (const std::string& part : wrap_text(about, kHelpWidth - kTextColumn)) {
    if (line.size() + 2 > kTextColumn) {
      text += line + '\n';
      line.clear();
    }
    line += std::string(kTextColumn - line.size(), ' ') + part;
    text += line + '\n';
    line.clear();
  }
  return text;
}

}  // namespace

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

std::string help_text(const std::vector<Option>& options) {
  std::vector<std::string> headings;
  for (const Option& option : options) {
    if (std::find(headings.begin(), headings.end(), option.heading) == headings.end()) {
      headings.push_back(option.heading);
    }
  }
  std::string text;
  for (const std::string& heading : headings) {
    text += fmt::format("\n{}:\n", heading);
    for (const Option& option : options) {
      if (option.heading == heading) text += option_lines(option);
    }
  }
  return text;
}

std::string descriptions_json(const std::vector<Option>& options) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Option& option : options) {
    nlohmann::ordered_json one;
    one["name"] = option.name;
    one["heading"] = option.heading;
    one["value"] = option.kind;
    one["value_optional"] = option.value_optional;
    one["list"] = option.list;
    one["required"] = option.required;
    one["default"] = option.fallback;
    one["choices"] = option.choices;
    one["text"] = option.text;
    all.push_back(std::move(one));
  }
  return all.dump(1);
}

}  // namespace longhaul
