#pragma once

#include <string>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

// How the checks are told. Texts end with a newline where they are several lines.

/// "pre-flight found 2 problems on 1 of 4 hosts:" and the table.
std::string failure_text(const std::vector<Finding>& findings, std::size_t width);

/// A line for each check with its time and what it found, details below.
std::string check_lines(const std::vector<CheckResult>& results);

/// One line: how many checks passed in which time, and what is worth knowing of them.
std::string summary_line(const std::vector<CheckResult>& results);

}  // namespace longhaul::preflight
