#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// /dev/shm as one rank sees it.
struct SharedMemoryFact {
  std::int64_t free_bytes = -1;  // -1: there is none
  std::int64_t total_bytes = -1;
  int local_ranks = 1;  // of this host
  bool nccl = false;    // do they exchange tensors over NCCL?
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SharedMemoryFact, free_bytes, total_bytes, local_ranks, nccl)

SharedMemoryFact look_at_shared_memory(int local_ranks, bool nccl);

/// Open MPI's segments, and NCCL's buffers between ranks of one host, must fit.
Verdict judge_shared_memory(const std::vector<Seen<SharedMemoryFact>>& all);

}  // namespace longhaul::preflight
