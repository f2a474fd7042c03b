#include "data/batches/run_plan.h"

namespace longhaul {
namespace {

EpochOrder training_order(PackingMode packing) {
  switch (packing) {
    case PackingMode::balanced:
      return EpochOrder::balanced;
    case PackingMode::first_fit_decreasing:
    case PackingMode::one_sample:
      break;
  }
  return EpochOrder::shuffled;
}

}  // namespace

ScheduleOptions training_schedule(const RunPlan& run, PackingMode packing, std::uint64_t seed) {
  ScheduleOptions schedule;
  schedule.seed = seed;
  schedule.global_bs = run.global_bs;
  schedule.micro_bs = run.micro_bs;
  schedule.dp = run.layout.dp;
  schedule.epochs = run.epochs;
  schedule.train_iters = run.train_iters;
  if (!schedule.epochs && !schedule.train_iters) schedule.epochs = 1;
  schedule.order = training_order(packing);
  return schedule;
}

}  // namespace longhaul
