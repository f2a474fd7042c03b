#pragma once

#include <string>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// Facts of ranks 0, 1, ... of which `ranks_a_host` share a host: "a", "b", ...
template <typename Fact>
std::vector<Seen<Fact>> seen(const std::vector<Fact>& facts, int ranks_a_host = 1) {
  std::vector<Seen<Fact>> all;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const auto host = static_cast<char>('a' + static_cast<int>(i) / ranks_a_host);
    all.push_back({static_cast<int>(i), std::string(1, host), facts[i]});
  }
  return all;
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// "failure 1 b, warning 2 c": which ranks have something, and where.
inline std::string places(const Verdict& verdict) {
  std::string text;
  for (const Finding& finding : verdict.findings) {
    text += text.empty() ? "" : ", ";
    text += finding.severity == Severity::failure ? "failure " : "warning ";
    text += std::to_string(finding.rank) + " " + finding.host;
  }
  return text;
}

}  // namespace longhaul::preflight
