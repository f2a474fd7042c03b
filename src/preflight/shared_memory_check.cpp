#include "preflight/shared_memory_check.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "core/humanize.h"

namespace longhaul::preflight {
namespace {

constexpr const char* kFolder = "/dev/shm";
// Open MPI's vader makes a segment of 4 MiB a rank, which must not run out of memory while it is
// written to. NCCL's shared-memory transport takes about 10 MiB for each pair of neighbours and
// direction.
constexpr std::int64_t kOpenMpiBytes = std::int64_t{4} << 20;
constexpr std::int64_t kNcclBytes = std::int64_t{32} << 20;

}  // namespace

SharedMemoryFact look_at_shared_memory(int local_ranks, bool nccl) {
  SharedMemoryFact fact;
  fact.local_ranks = local_ranks;
  fact.nccl = nccl;
  struct statvfs status {};
  if (::statvfs(kFolder, &status) != 0) return fact;
  const auto unit = static_cast<std::int64_t>(status.f_frsize);
  fact.free_bytes = static_cast<std::int64_t>(status.f_bavail) * unit;
  fact.total_bytes = static_cast<std::int64_t>(status.f_blocks) * unit;
  return fact;
}

Verdict judge_shared_memory(const std::vector<Seen<SharedMemoryFact>>& all) {
  Verdict verdict;
  std::int64_t least = -1;
  for (const auto& one : all) {
    const SharedMemoryFact& fact = one.fact;
    const std::int64_t needed = (kOpenMpiBytes + (fact.nccl ? kNcclBytes : 0)) * fact.local_ranks;
    if (fact.free_bytes >= 0 && (least < 0 || fact.free_bytes < least)) least = fact.free_bytes;
    if (fact.local_ranks == 1 || fact.free_bytes >= needed) continue;
    if (fact.free_bytes < 0) {
      verdict.fail(one, "there is no /dev/shm, which ranks of one host exchange data through",
                   "mount it (mount -t tmpfs tmpfs /dev/shm), or give the container one "
                   "(docker run --shm-size=8g)");
      continue;
    }
    verdict.fail(
        one,
        fmt::format("/dev/shm: {} of {} free; {} ranks of this host need {} for {}",
                    human_bytes(fact.free_bytes), human_bytes(fact.total_bytes), fact.local_ranks,
                    human_bytes(needed), fact.nccl ? "Open MPI and NCCL" : "Open MPI"),
        "remove what ended programs have left there (ls -l /dev/shm), or make it larger "
        "(mount -o remount,size=8G /dev/shm; docker run --shm-size=8g)");
  }
  if (least >= 0) verdict.summary = fmt::format("{} free", human_bytes(least));
  return verdict;
}

}  // namespace longhaul::preflight
