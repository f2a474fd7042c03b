#include "preflight/report.h"

#include <gtest/gtest.h>

#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

std::vector<CheckResult> results() {
  CheckResult hosts{"hosts", 0.25, {}};
  hosts.verdict.summary = "2 ranks on 1 host";
  hosts.verdict.details = {"n1: ranks 0-1"};
  CheckResult disk{"disk", 0.5, {}};
  disk.verdict.summary = "9 GiB free";
  disk.verdict.findings.push_back({Severity::warning, 0, "n1", "small", "buy one"});
  return {hosts, disk};
}

TEST(Report, ALineForEachCheck) {
  const std::string text = check_lines(results());
  EXPECT_TRUE(contains(text, "hosts             ok        0.25 s  2 ranks on 1 host\n")) << text;
  EXPECT_TRUE(contains(text, " n1: ranks 0-1\n")) << text;
  EXPECT_TRUE(contains(text, "disk              warning   0.50 s  9 GiB free\n")) << text;
  EXPECT_TRUE(contains(text, "pre-flight: 2 checks passed in 0.75 s\n")) << text;
}

TEST(Report, OneLineForARun) {
  EXPECT_EQ(summary_line(results()),
            "pre-flight: 2 checks passed in 0.75 s; 2 ranks on 1 host; 9 GiB free");
}

TEST(Report, CountsWhatDiffers) {
  std::vector<Finding> findings{{Severity::failure, 0, "n1", "a", "b"},
                                {Severity::failure, 1, "n1", "a", "b"},
                                {Severity::warning, 1, "n1", "c", "d"}};
  EXPECT_TRUE(contains(failure_text(findings, 80),
                       "pre-flight found 1 problem and 1 warning; nothing was started\n"));
  findings[1].what.assign(1, 'x');
  findings.pop_back();
  EXPECT_TRUE(contains(failure_text(findings, 80), "found 2 problems; nothing"));
}

}  // namespace
}  // namespace longhaul::preflight
