#include "app/report_error.h"

#include <cstdio>

#include "comm/coordinator.h"
#include "core/error.h"

namespace longhaul {

int report_error(std::string_view command, const std::exception& error) {
  if (const auto* collective = dynamic_cast<const CollectiveError*>(&error)) {
    if (collective->speaker()) {
      const bool stopped = collective->exit_code() == kExitStopped;
      fmt::print(stderr, "longhaul {}: {}{}\n", command, stopped ? "" : "error: ", error.what());
    }
    return collective->exit_code();
  }
  const bool user = dynamic_cast<const UserError*>(&error) != nullptr;
  fmt::print(stderr, "longhaul {}: {}: {}\n", command, user ? "error" : "internal error",
             error.what());
  return user ? kExitUserError : kExitFailure;
}

}  // namespace longhaul
