#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "data/batches/packing.h"

namespace longhaul {

enum class EpochOrder : std::uint8_t {
  shuffled,  // training: a new order each epoch, from seed and epoch
  balanced,  // training: the same in groups of packs of about the same cost
  as_given,  // evaluation
};

/// Packs of a group of EpochOrder::balanced, unless global_bs is smaller. More data-parallel ranks
/// than this still share work better than without groups.
inline constexpr std::int64_t kPackGroup = 8;
/// Steps whose packs EpochOrder::balanced draws together and sorts.
inline constexpr std::int64_t kGroupedSteps = 8;

struct ScheduleOptions {
  std::uint64_t seed = 42;
  std::int64_t global_bs = 1;  // packs of a step
  std::int64_t micro_bs = 1;   // packs of a micro-batch of one data-parallel rank
  int dp = 1;
  std::optional<std::int64_t> epochs;       // --epochs
  std::optional<std::int64_t> train_iters;  // --train_iters; both given: whichever ends first
  EpochOrder order = EpochOrder::shuffled;
};

/// The packs of one step, as indices into the packs that the schedule was made for.
struct StepPlan {
  std::int64_t step = 0;   // from 0, over the whole run
  std::int64_t epoch = 0;  // from 0
  /// All packs of the step, in the epoch's order: which ones they are depends on seed, data and
  /// global_bs alone.
  std::vector<std::int64_t> packs;
  /// [dp]: each data-parallel rank's packs; micro-batch m of a rank holds its packs
  /// m * micro_bs .. (m + 1) * micro_bs - 1, as far as there are any.
  std::vector<std::vector<std::int64_t>> rank_packs;
  /// How many micro-batches every rank runs; a rank with fewer packs runs empty ones at the end.
  std::int64_t micro_batches = 0;
  std::int64_t micro_bs = 1;

  /// The packs of one micro-batch of one data-parallel rank; may be empty.
  [[nodiscard]] std::span<const std::int64_t> micro_batch(int dp_rank, std::int64_t index) const;
};

/// Which packs are trained on when. Every epoch holds every pack once, `global_bs` a step, in the
/// order random_order(packs, seed, OrderPurpose::epoch, epoch); its last step may be smaller. Any
/// step can be asked for directly, in O(1) after the O(packs) for its epoch, so a resumed run needs
/// no replay.
///
/// EpochOrder::balanced rearranges that order, `kGroupedSteps` steps of it at a time: these packs
/// are sorted by cost, the costliest first (ties: in that order), cut into groups of
/// min(kPackGroup, global_bs), and the groups (but for a last one that is smaller, which stays
/// last) are put in the order random_order(groups, seed, OrderPurpose::pack_groups, epoch * windows
/// + window). So every step holds packs of all costs, and for each of them some others of about its
/// cost, for the other data-parallel ranks.
///
/// The packs of a step are dealt to the data-parallel ranks like cards, the costliest first (ties:
/// in the epoch's order): rank r gets number r, r + dp, r + 2 dp, ... So the micro-batches that
/// run at the same time on different ranks cost about the same, and none waits long for another.
/// Cost is pack_cost().
///
/// Thread-safe.
class StepSchedule {
 public:
  /// Keeps what it needs of `packs`. Throws UserError when neither epochs nor train_iters is given,
  /// or a number is not positive.
  StepSchedule(std::span<const Pack> packs, const ScheduleOptions& options);

  [[nodiscard]] const ScheduleOptions& options() const { return options_; }
  [[nodiscard]] std::int64_t pack_count() const { return static_cast<std::int64_t>(costs_.size()); }
  [[nodiscard]] std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// 0 when there are no packs.
  [[nodiscard]] std::int64_t total_steps() const { return total_steps_; }

  /// 0 <= step < total_steps().
  [[nodiscard]] StepPlan plan(std::int64_t step) const;

  /// The step of epoch `epoch` that has the pack; no value when the run ends before.
  [[nodiscard]] std::optional<std::int64_t> step_of(std::int64_t pack, std::int64_t epoch) const;

  // What lies before step `step`, that is, after `step` steps; 0 <= step <= total_steps().
  [[nodiscard]] std::int64_t packs_before(std::int64_t step) const;
  [[nodiscard]] std::int64_t samples_before(std::int64_t step) const;
  /// 1.5: in the middle of the second epoch, counted in packs.
  [[nodiscard]] double epochs_before(std::int64_t step) const;

 private:
  struct Epoch {
    std::int64_t number;
    std::vector<std::int64_t> packs;           // all, in this epoch's order
    std::vector<std::int64_t> samples_before;  // [steps_per_epoch + 1], within the epoch
  };

  [[nodiscard]] std::shared_ptr<const Epoch> epoch(std::int64_t number) const;
  void group_by_cost(std::int64_t epoch, std::vector<std::int64_t>& packs) const;

  ScheduleOptions options_;
  std::vector<std::int64_t> sample_counts_;  // [packs]
  std::vector<std::int64_t> costs_;          // [packs]
  std::int64_t samples_per_epoch_ = 0;
  std::int64_t steps_per_epoch_ = 0;
  std::int64_t total_steps_ = 0;

  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Epoch> latest_;  // the epoch asked for last
};

}  // namespace longhaul
