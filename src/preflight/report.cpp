#include "preflight/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "core/humanize.h"

namespace longhaul::preflight {
namespace {

constexpr int kNameWidth = 17;

std::int64_t count(const std::vector<Finding>& findings, Severity severity) {
  std::set<std::tuple<std::string, std::string>> different;
  for (const Finding& finding : findings) {
    if (finding.severity == severity) different.insert({finding.what, finding.remedy});
  }
  return std::ssize(different);
}

double total_seconds(const std::vector<CheckResult>& results) {
  double seconds = 0.0;
  for (const CheckResult& result : results) seconds += result.seconds;
  return seconds;
}

const char* outcome(const Verdict& verdict) {
  const char* worst = "ok";
  for (const Finding& finding : verdict.findings) {
    if (finding.severity == Severity::failure) return "failed";
    worst = "warning";
  }
  return worst;
}

const CheckResult* find(const std::vector<CheckResult>& results, std::string_view name) {
  const auto found = std::find_if(results.begin(), results.end(),
                                  [&](const CheckResult& result) { return result.name == name; });
  return found == results.end() ? nullptr : &*found;
}

}  // namespace

std::string failure_text(const std::vector<Finding>& findings, std::size_t width) {
  const std::int64_t warnings = count(findings, Severity::warning);
  return fmt::format("pre-flight found {}{}; nothing was started\n{}",
                     counted(count(findings, Severity::failure), "problem"),
                     warnings == 0 ? "" : fmt::format(" and {}", counted(warnings, "warning")),
                     finding_table(findings, width));
}

std::string check_lines(const std::vector<CheckResult>& results) {
  std::string text;
  for (const CheckResult& result : results) {
    text += fmt::format("{:<{}} {:<8}{:6.2f} s  {}\n", result.name, kNameWidth,
                        outcome(result.verdict), result.seconds, result.verdict.summary);
    for (const std::string& detail : result.verdict.details) {
      text += fmt::format("{:{}}{}\n", "", kNameWidth + 19, detail);
    }
  }
  return text + fmt::format("pre-flight: {} passed in {:.2f} s\n",
                            counted(std::ssize(results), "check"), total_seconds(results));
}

std::string summary_line(const std::vector<CheckResult>& results) {
  std::string text = fmt::format("pre-flight: {} passed in {:.2f} s",
                                 counted(std::ssize(results), "check"), total_seconds(results));
  for (const char* const name : {"hosts", "disk", "all-reduce"}) {
    const CheckResult* const result = find(results, name);
    if (result == nullptr || result->verdict.summary.empty()) continue;
    text += fmt::format("; {}{}", name == std::string_view("all-reduce") ? "all-reduce " : "",
                        result->verdict.summary);
  }
  return text;
}

}  // namespace longhaul::preflight
