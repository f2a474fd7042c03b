#include "preflight/disk_check.h"

#include <algorithm>

#include "checkpoint/naming.h"
#include "checkpoint/reader.h"
#include "core/humanize.h"
#include "train/optimizer/optimizer_state.h"

namespace longhaul::preflight {
namespace {

constexpr std::int64_t kFew = 3;  // checkpoints; room for fewer is worth a warning

}  // namespace

std::int64_t checkpoint_bytes(const std::vector<LogicalTensor>& tensors, DType weights) {
  std::int64_t elements = 0;
  for (const LogicalTensor& tensor : tensors) elements += tensor.rows * tensor.cols;
  return elements * (static_cast<std::int64_t>(size_of(weights)) + adamw_state_bytes());
}

std::int64_t checkpoints_to_come(std::int64_t steps, std::int64_t interval, std::int64_t done) {
  if (done >= steps) return 0;
  const std::int64_t regular = steps / interval - done / interval;
  return regular + (steps % interval == 0 ? 0 : 1);
}

std::int64_t step_to_resume(const std::string& resume, const std::vector<CompleteStep>& existing) {
  if (resume == "none") return 0;
  if (resume == "auto") return existing.empty() ? 0 : existing.front().step;
  const auto found = find_checkpoint(resume);
  if (!found) return 0;
  return step_of_directory_name(found->filename().string()).value_or(0);
}

std::optional<std::int64_t> checkpoints_at_once(const CheckpointPlan& plan) {
  if (plan.limit == 0) return plan.coming;
  const std::int64_t room = std::max<std::int64_t>(1, plan.limit + 1 - plan.existing);
  return plan.coming ? std::min(room, *plan.coming) : room;
}

namespace {

/// What is short, for `count` checkpoints to come.
std::string shortage(const CheckpointPlan& plan, std::int64_t free, std::int64_t count,
                     const std::string& save) {
  const std::string each = human_bytes(plan.bytes_each);
  const std::int64_t fit = free / plan.bytes_each;
  std::string text = fmt::format("--save {}: {} free, ", save, human_bytes(free));
  if (fit > 0) {
    text += fmt::format("room for {} of {}, there will be {} more", counted(fit, "checkpoint"),
                        each, count);
  } else if (plan.next_step > 0) {
    text += fmt::format("the checkpoint of step {} takes {}", plan.next_step, each);
  } else {
    text += fmt::format("one checkpoint takes {}", each);
  }
  if (!plan.newest.empty()) text += fmt::format("; {} stays the latest", plan.newest);
  return text;
}

}  // namespace

Verdict judge_disk(const std::vector<Seen<DiskFact>>& all, const CheckpointPlan& plan,
                   const std::string& save) {
  Verdict verdict;
  const std::optional<std::int64_t> needed = checkpoints_at_once(plan);
  const std::string each = human_bytes(plan.bytes_each);
  std::int64_t least = -1;
  for (const auto& one : all) {
    const std::int64_t free = one.fact.free_bytes;
    if (free < 0) continue;
    if (least < 0 || free < least) least = free;
    const std::int64_t fit = free / plan.bytes_each;
    const std::int64_t count = needed.value_or(1);
    if (count > fit) {
      verdict.fail(one, shortage(plan, free, count, save),
                   plan.limit == 0 && count > 1 && fit >= 2
                       ? fmt::format("free space there, choose another --save, or keep fewer "
                                     "with --save_total_limit {}",
                                     fit - 1)
                       : std::string("free space there or choose another --save"));
    } else if (!needed && fit < kFew) {
      verdict.warn(one,
                   fmt::format("--save {}: {} free, room for {} of {}; all are kept", save,
                               human_bytes(free), counted(fit, "checkpoint"), each),
                   "free space there, choose another --save, or keep fewer with "
                   "--save_total_limit");
    }
  }
  if (least >= 0) {
    verdict.summary = fmt::format("{} free, {} a checkpoint", human_bytes(least), each);
  }
  return verdict;
}

}  // namespace longhaul::preflight
