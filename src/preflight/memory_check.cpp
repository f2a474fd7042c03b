#include "preflight/memory_check.h"

#include <algorithm>

#include "core/humanize.h"
#include "train/optimizer/optimizer_state.h"

namespace longhaul::preflight {
namespace {

constexpr std::int64_t kGradientBytes = 4;  // fp32, of the rank's own shard

}  // namespace

std::int64_t model_state_bytes(const ParameterTable& table, DType weights) {
  std::int64_t bytes = 0;
  for (const Parameter& parameter : table.parameters()) {
    bytes += parameter.size() * static_cast<std::int64_t>(size_of(weights)) +
             parameter.shard_size() * (adamw_state_bytes() + kGradientBytes);
  }
  return bytes;
}

std::int64_t snapshot_bytes(const ParameterTable& table, DType weights) {
  std::int64_t bytes = 0;
  for (const Parameter& parameter : table.parameters()) {
    bytes += parameter.shard_size() *
             (static_cast<std::int64_t>(size_of(weights)) + adamw_state_bytes());
  }
  return bytes;
}

Verdict judge_memory(const std::vector<Seen<MemoryFact>>& all) {
  Verdict verdict;
  std::int64_t least = all.front().fact.free;
  std::int64_t most = 0;
  for (const auto& one : all) {
    const MemoryFact& fact = one.fact;
    const int sharing = fact.is_host ? fact.local_ranks : fact.ranks_per_device;
    const std::int64_t each = fact.needed + (fact.is_host ? fact.host_needed : 0);
    const std::int64_t needed = each * sharing;
    least = std::min(least, fact.free);
    most = std::max(most, needed);
    if (fact.free > 0 && needed > fact.free) {
      verdict.fail(one,
                   fmt::format("{} free, {} need at least {} for the model's state alone",
                               human_bytes(fact.free) + (fact.is_host ? " of host memory are"
                                                                      : " of the GPU's memory are"),
                               sharing == 1 ? "a rank" : fmt::format("{} ranks there", sharing),
                               human_bytes(needed)),
                   "use more ranks on more hosts, or a larger --tensor_model_parallel_size; look "
                   "for other programs that hold memory there");
    }
    const std::int64_t snapshots = fact.host_needed * fact.local_ranks;
    if (!fact.is_host && fact.host_free > 0 && snapshots > fact.host_free) {
      verdict.fail(
          one,
          fmt::format("{} of host memory are free, checkpoints of {} ranks are copied "
                      "into {} of it",
                      human_bytes(fact.host_free), fact.local_ranks, human_bytes(snapshots)),
          "look for other programs that hold memory there, or use fewer ranks a host");
    }
  }
  verdict.summary = fmt::format("{} free, the model's state takes {} {}", human_bytes(least),
                                human_bytes(most), all.front().fact.is_host ? "a host" : "a GPU");
  return verdict;
}

}  // namespace longhaul::preflight
