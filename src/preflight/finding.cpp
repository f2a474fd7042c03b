#include "preflight/finding.h"

#include <fmt/format.h>

#include <algorithm>

namespace longhaul::preflight {

std::string rank_ranges(std::vector<int> ranks) {
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    text += text.empty() ? "" : ", ";
    text +=
        end - i == 1 ? fmt::format("{}", ranks[i]) : fmt::format("{}-{}", ranks[i], ranks[end - 1]);
    i = end;
  }
  return text;
}

std::pair<std::string, std::string> split_advice(std::string_view text) {
  for (std::size_t i = 0; i + 2 < text.size(); ++i) {
    const bool sentence =
        text[i] == '.' && text[i + 1] == ' ' && text[i + 2] >= 'A' && text[i + 2] <= 'Z';
    if (sentence) return {std::string(text.substr(0, i)), std::string(text.substr(i + 2))};
  }
  const std::size_t at = text.rfind("; ");
  if (at == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, at)), std::string(text.substr(at + 2))};
}

}  // namespace longhaul::preflight
