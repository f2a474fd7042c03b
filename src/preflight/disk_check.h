#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/save_directory.h"
#include "core/tensor/dtype.h"
#include "model/parameter_table.h"
#include "preflight/check_list.h"

namespace longhaul::preflight {

/// Bytes of all tensors of one checkpoint: weights, and the optimizer's state.
std::int64_t checkpoint_bytes(const std::vector<LogicalTensor>& tensors, DType weights);

/// What a run will write.
struct CheckpointPlan {
  std::int64_t bytes_each = 0;
  std::optional<std::int64_t> coming;  // checkpoints still to be written, when that is known
  int limit = 0;                       // --save_total_limit; 0: all are kept
  int existing = 0;                    // complete checkpoints that are there now
  std::int64_t next_step = 0;          // of the next one, where `coming` is known
  std::string newest;                  // folder of the newest that is there; empty: none
};

/// How many checkpoints a run of `steps` steps writes that goes on after step `done`: one each
/// `interval` steps and one at the end.
std::int64_t checkpoints_to_come(std::int64_t steps, std::int64_t interval, std::int64_t done);

/// The step that a run with this --resume goes on from, as far as its name tells; 0: a new run.
/// existing: the checkpoints of the save directory, the newest first.
std::int64_t step_to_resume(const std::string& resume, const std::vector<CompleteStep>& existing);

/// Checkpoints that must fit beside those that are there: of those to come, as many as are there at
/// once. A checkpoint that is above the limit is removed only when the next one is complete.
/// Nothing when it is not known how many will be written.
std::optional<std::int64_t> checkpoints_at_once(const CheckpointPlan& plan);

/// Free bytes where the save directory is, as each rank sees it; -1 where it is not there.
struct DiskFact {
  std::int64_t free_bytes = -1;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DiskFact, free_bytes)

Verdict judge_disk(const std::vector<Seen<DiskFact>>& all, const CheckpointPlan& plan,
                   const std::string& save);

}  // namespace longhaul::preflight
