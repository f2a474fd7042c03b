#pragma once

#include <functional>

#include "comm/coordinator.h"

namespace longhaul::test {

/// Runs `body` once for each of `ranks` ranks, as threads of this process, each with a coordinator
/// of its own that really exchanges messages. Returns when all are done; an exception that left any
/// body (the lowest rank's) is thrown again here.
void run_ranks(int ranks, const std::function<void(Coordinator&)>& body);

}  // namespace longhaul::test
