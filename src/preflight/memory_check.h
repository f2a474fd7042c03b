#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/tensor/dtype.h"
#include "model/parameter_table.h"
#include "preflight/check_list.h"

namespace longhaul::preflight {

/// What a rank needs for the model alone, whatever the data are, and what is free.
struct MemoryFact {
  std::int64_t needed = 0;       // of the backend's memory: weights, gradients, optimizer
  std::int64_t free = 0;         // of it
  bool is_host = true;           // is it the host's, shared by the ranks there?
  std::int64_t host_needed = 0;  // of host memory beside it: the copy that checkpoints are made of
  std::int64_t host_free = 0;    // 0: unknown
  int local_ranks = 1;           // of this host
  int ranks_per_device = 1;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MemoryFact, needed, free, is_host, host_needed, host_free,
                                   local_ranks, ranks_per_device)

/// A lower bound of what TrainingMemory takes: no activations, no workspace.
std::int64_t model_state_bytes(const ParameterTable& table, DType weights);
/// What StateSnapshot takes.
std::int64_t snapshot_bytes(const ParameterTable& table, DType weights);

Verdict judge_memory(const std::vector<Seen<MemoryFact>>& all);

}  // namespace longhaul::preflight
