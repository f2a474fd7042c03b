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
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SharedMemoryFact, free_bytes, total_bytes, local_ranks)

SharedMemoryFact look_at_shared_memory(int local_ranks);

/// Open MPI's segments and NCCL's buffers between ranks of one host must fit; NCCL's are larger.
enum class SharedMemoryUser : std::uint8_t { open_mpi, nccl };
Verdict judge_shared_memory(const std::vector<Seen<SharedMemoryFact>>& all, SharedMemoryUser user);

}  // namespace longhaul::preflight
