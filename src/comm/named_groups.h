#pragma once

#include <string>
#include <vector>

#include "comm/communicators.h"
#include "comm/process_grid.h"

namespace longhaul {

/// A group of this rank that has something to exchange.
struct NamedGroup {
  std::string name;  // "tp", "dp_cp = weights" where several are the same ranks
  Communicator* comm = nullptr;
  std::vector<int> ranks;  // world ranks, in group order
};

/// The groups of more than one rank, each set of ranks once. The same names on all ranks.
std::vector<NamedGroup> named_groups(const Communicators& comms, const ProcessGrid& grid);

}  // namespace longhaul
