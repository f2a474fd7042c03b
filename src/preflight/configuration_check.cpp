#include "preflight/configuration_check.h"

#include <fmt/format.h>

#include <array>

#include "core/json.h"
#include "preflight/majority.h"
#include "train/run_state.h"

namespace longhaul::preflight {
namespace {

// A host may have other cores, and other paths of its own.
constexpr std::array kOwnFlags{"threads", "gemm_cache_file"};
constexpr std::size_t kMostNamed = 3;  // differences in one row of the table; more are counted

std::string value_of(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? "not given" : found->second;
}

/// "--lr is 1e-5 here and 2e-5 on rank 0 (node1)" for every setting that differs.
std::vector<std::string> differences(const Settings& mine, const Seen<Settings>& usual) {
  Settings names = mine;
  names.insert(usual.fact.begin(), usual.fact.end());
  std::vector<std::string> lines;
  for (const auto& [name, value] : names) {
    const std::string here = value_of(mine, name);
    const std::string there = value_of(usual.fact, name);
    if (here == there) continue;
    lines.push_back(fmt::format("{} is {} here and {} on rank {} ({})", name, here, there,
                                usual.rank, usual.host));
  }
  return lines;
}

}  // namespace

Settings comparable_flags(const std::map<std::string, std::string>& flags) {
  Settings settings;
  for (const auto& [name, value] : flags) settings[fmt::format("--{}", name)] = value;
  for (const char* const name : kOwnFlags) settings.erase(fmt::format("--{}", name));
  return settings;
}

Settings comparable_model_config(const std::string& json) {
  Settings settings;
  const nlohmann::json config = parse_json<nlohmann::json>(comparable_model(json));
  for (const auto& [key, value] : config.items()) {
    settings[fmt::format("'{}' of config.json", key)] = dump_json(value);
  }
  return settings;
}

Verdict judge_settings(const std::vector<Seen<Settings>>& all, const std::string& remedy) {
  Verdict verdict;
  const auto& usual = of_the_majority(all, [](const auto& one) { return one.fact; });
  for (const auto& one : all) {
    std::vector<std::string> lines = differences(one.fact, usual);
    if (lines.empty()) continue;
    if (lines.size() > kMostNamed) {
      const std::size_t more = lines.size() - kMostNamed;
      lines.resize(kMostNamed);
      lines.push_back(fmt::format("and {} more", more));
    }
    verdict.fail(one, fmt::format("{}", fmt::join(lines, "\n")), remedy);
  }
  verdict.summary = fmt::format("{} equal on all ranks", usual.fact.size());
  return verdict;
}

}  // namespace longhaul::preflight
