#include "data/batches/step_schedule.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/rounding.h"
#include "data/batches/random_order.h"

namespace longhaul {
namespace {

void check_options(const ScheduleOptions& options) {
  if (options.global_bs < 1) {
    user_error("--global_bs {} must be at least 1", options.global_bs);
  }
  if (options.micro_bs < 1) user_error("--micro_bs {} must be at least 1", options.micro_bs);
  LONGHAUL_CHECK(options.dp >= 1, "dp {}", options.dp);
  if (!options.epochs && !options.train_iters) {
    user_error("the length of the run is not given: use --epochs or --train_iters");
  }
  if (options.epochs && *options.epochs < 1) {
    user_error("--epochs {} must be at least 1", *options.epochs);
  }
  if (options.train_iters && *options.train_iters < 1) {
    user_error("--train_iters {} must be at least 1", *options.train_iters);
  }
}

/// The costliest first; of equals the one that was first.
void sort_by_cost(std::span<std::int64_t> packs, const std::vector<std::int64_t>& costs) {
  std::stable_sort(packs.begin(), packs.end(), [&](std::int64_t a, std::int64_t b) {
    return costs[static_cast<std::size_t>(a)] > costs[static_cast<std::size_t>(b)];
  });
}

}  // namespace

std::span<const std::int64_t> StepPlan::micro_batch(int dp_rank, std::int64_t index) const {
  LONGHAUL_CHECK(dp_rank >= 0 && dp_rank < static_cast<int>(rank_packs.size()), "dp rank {} of {}",
                 dp_rank, rank_packs.size());
  LONGHAUL_CHECK(index >= 0 && index < micro_batches, "micro-batch {} of {}", index, micro_batches);
  const std::vector<std::int64_t>& mine = rank_packs[static_cast<std::size_t>(dp_rank)];
  const auto count = static_cast<std::int64_t>(mine.size());
  const std::int64_t begin = index <= count / micro_bs ? index * micro_bs : count;
  const std::int64_t end = begin + std::min(micro_bs, count - begin);
  return std::span(mine).subspan(static_cast<std::size_t>(begin),
                                 static_cast<std::size_t>(end - begin));
}

StepSchedule::StepSchedule(std::span<const Pack> packs, const ScheduleOptions& options)
    : options_(options) {
  check_options(options);
  for (const Pack& pack : packs) {
    sample_counts_.push_back(static_cast<std::int64_t>(pack.samples.size()));
    samples_per_epoch_ += sample_counts_.back();
    costs_.push_back(pack_cost(pack));
  }
  if (packs.empty()) return;
  steps_per_epoch_ = ceil_div(pack_count(), options_.global_bs);
  if (options_.train_iters) total_steps_ = *options_.train_iters;
  if (options_.epochs) {
    std::int64_t steps = 0;
    if (__builtin_mul_overflow(*options_.epochs, steps_per_epoch_, &steps)) {
      user_error("--epochs {} of {} steps each is more than can be counted", *options_.epochs,
                 steps_per_epoch_);
    }
    total_steps_ = options_.train_iters ? std::min(total_steps_, steps) : steps;
  }
}

StepPlan StepSchedule::plan(std::int64_t step) const {
  LONGHAUL_CHECK(step >= 0 && step < total_steps_, "step {} of {}", step, total_steps_);
  StepPlan plan;
  plan.step = step;
  plan.epoch = step / steps_per_epoch_;
  plan.micro_bs = options_.micro_bs;
  const std::shared_ptr<const Epoch> order = epoch(plan.epoch);
  const std::int64_t begin = step % steps_per_epoch_ * options_.global_bs;
  const std::int64_t end = begin + std::min(options_.global_bs, pack_count() - begin);
  plan.packs.assign(order->packs.begin() + begin, order->packs.begin() + end);

  std::vector<std::int64_t> by_cost = plan.packs;
  sort_by_cost(by_cost, costs_);
  const auto dp = static_cast<std::size_t>(options_.dp);
  plan.rank_packs.resize(dp);
  for (std::size_t i = 0; i < by_cost.size(); ++i) plan.rank_packs[i % dp].push_back(by_cost[i]);
  plan.micro_batches = ceil_div(ceil_div(end - begin, options_.dp), options_.micro_bs);
  return plan;
}

std::optional<std::int64_t> StepSchedule::step_of(std::int64_t pack, std::int64_t epoch) const {
  LONGHAUL_CHECK(pack >= 0 && pack < pack_count() && epoch >= 0, "pack {} of {}, epoch {}", pack,
                 pack_count(), epoch);
  if (epoch > total_steps_ / steps_per_epoch_) return std::nullopt;
  const std::shared_ptr<const Epoch> order = this->epoch(epoch);
  const auto place = std::find(order->packs.begin(), order->packs.end(), pack);
  const std::int64_t step =
      epoch * steps_per_epoch_ + (place - order->packs.begin()) / options_.global_bs;
  return step < total_steps_ ? std::optional(step) : std::nullopt;
}

std::int64_t StepSchedule::packs_before(std::int64_t step) const {
  LONGHAUL_CHECK(step >= 0 && step <= total_steps_, "step {} of {}", step, total_steps_);
  if (step == 0) return 0;
  return step / steps_per_epoch_ * pack_count() + step % steps_per_epoch_ * options_.global_bs;
}

std::int64_t StepSchedule::samples_before(std::int64_t step) const {
  LONGHAUL_CHECK(step >= 0 && step <= total_steps_, "step {} of {}", step, total_steps_);
  if (step == 0) return 0;
  const std::int64_t whole = step / steps_per_epoch_;
  const auto rest = static_cast<std::size_t>(step % steps_per_epoch_);
  if (rest == 0) return whole * samples_per_epoch_;
  return whole * samples_per_epoch_ + epoch(whole)->samples_before[rest];
}

double StepSchedule::epochs_before(std::int64_t step) const {
  if (step == 0) return 0.0;
  return static_cast<double>(packs_before(step)) / static_cast<double>(pack_count());
}

std::shared_ptr<const StepSchedule::Epoch> StepSchedule::epoch(std::int64_t number) const {
  const std::lock_guard lock(mutex_);
  if (latest_ != nullptr && latest_->number == number) return latest_;
  auto made = std::make_shared<Epoch>();
  made->number = number;
  if (options_.order == EpochOrder::as_given) {
    made->packs.resize(costs_.size());
    std::iota(made->packs.begin(), made->packs.end(), std::int64_t{0});
  } else {
    made->packs = random_order(pack_count(), options_.seed, OrderPurpose::epoch,
                               static_cast<std::uint64_t>(number));
  }
  if (options_.order == EpochOrder::balanced) group_by_cost(number, made->packs);
  made->samples_before.reserve(static_cast<std::size_t>(steps_per_epoch_) + 1);
  std::int64_t samples = 0;
  for (std::int64_t i = 0; i < pack_count(); ++i) {
    if (i % options_.global_bs == 0) made->samples_before.push_back(samples);
    samples += sample_counts_[static_cast<std::size_t>(made->packs[static_cast<std::size_t>(i)])];
  }
  made->samples_before.push_back(samples);
  latest_ = made;
  return made;
}

void StepSchedule::group_by_cost(std::int64_t epoch, std::vector<std::int64_t>& packs) const {
  const std::int64_t group = std::min(kPackGroup, options_.global_bs);
  // Where global_bs is beyond all packs there is one step, and one window.
  const std::int64_t window =
      std::min(options_.global_bs, ceil_div(pack_count(), kGroupedSteps)) * kGroupedSteps;
  const std::int64_t windows = ceil_div(pack_count(), window);
  for (std::int64_t w = 0; w < windows; ++w) {
    const std::int64_t begin = w * window;
    const auto length = static_cast<std::size_t>(std::min(window, pack_count() - begin));
    const auto range = std::span(packs).subspan(static_cast<std::size_t>(begin), length);
    sort_by_cost(range, costs_);
    const std::vector<std::int64_t> sorted(range.begin(), range.end());
    const std::int64_t groups = static_cast<std::int64_t>(length) / group;
    auto to = range.begin();
    for (const std::int64_t number :
         random_order(groups, options_.seed, OrderPurpose::pack_groups,
                      static_cast<std::uint64_t>(epoch * windows + w))) {
      to = std::copy_n(sorted.begin() + number * group, group, to);
    }
  }
}

}  // namespace longhaul
