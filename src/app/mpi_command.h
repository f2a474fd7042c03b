#pragma once

#include <functional>
#include <string_view>

#include "comm/coordinator.h"
#include "comm/mpi_runtime.h"

namespace longhaul {

/// Runs a subcommand that all ranks run together, from MPI's start to its end, and returns the exit
/// code. A failure that all ranks know of is said by one of them; one that a rank meets on its own
/// ends the whole job, because the others may be waiting for it.
int run_mpi_command(std::string_view name,
                    const std::function<int(const MpiRuntime& mpi, Coordinator&)>& body);

}  // namespace longhaul
