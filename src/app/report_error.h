#pragma once

#include <exception>
#include <string_view>

namespace longhaul {

/// Prints what an exception says on standard error, as "longhaul COMMAND: error: ...", unless it is
/// a CollectiveError for which another rank speaks. Returns the process's exit code.
int report_error(std::string_view command, const std::exception& error);

}  // namespace longhaul
