#include "train/memory_choice.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "metrics/humanize.h"

namespace longhaul {
namespace {

// Memory left to the system and to buffers outside of the plan (data, checkpoint copies).
constexpr double kUsableShareOfFreeHostMemory = 0.9;
// Left to libraries that load kernels when they are first used, and to NCCL's buffers.
constexpr double kUsableShareOfFreeDeviceMemory = 0.97;
// Of that, what layers that could compute again may fill: it would be a pity to fail for speed.
constexpr double kShareForKeptLayers = 0.97;
constexpr int kMostMoreRanks = 64;  // times the ranks of this run: further on it is no advice

std::string human(std::size_t bytes) { return human_bytes(static_cast<double>(bytes)); }

/// Layouts of the same ranks, then of more of them: the fewest ranks first, then the least
/// splitting of the model, CP before TP, because its traffic is cheaper.
std::vector<ParallelLayout> other_layouts(const ParallelLayout& now) {
  std::vector<ParallelLayout> layouts;
  for (int times = 1; times <= kMostMoreRanks; times *= 2) {
    const int world = now.world() * times;
    std::vector<ParallelLayout> of_world;
    for (int tp = now.tp; tp <= world; tp *= 2) {
      for (int cp = now.cp; tp * cp <= world; cp *= 2) {
        if (world % (tp * cp) == 0) of_world.push_back({tp, cp, world / (tp * cp)});
      }
    }
    std::sort(of_world.begin(), of_world.end(),
              [](const ParallelLayout& a, const ParallelLayout& b) {
                return std::pair(a.tp * a.cp, a.tp) < std::pair(b.tp * b.cp, b.tp);
              });
    layouts.insert(layouts.end(), of_world.begin(), of_world.end());
  }
  return layouts;
}

std::string nearest_fit(const PlanRequest& question) {
  if (question.recompute) {
    for (const Recompute mode : {Recompute::selective, Recompute::full}) {
      const std::size_t bytes = question.plan(1, {mode}).bytes;
      if (bytes <= question.free_bytes) {
        return fmt::format("--recompute_granularity {} fits: {}", name_of(mode), human(bytes));
      }
    }
  }
  for (const ParallelLayout& layout : other_layouts(question.layout)) {
    if (layout == question.layout) continue;
    for (const Recompute mode : {Recompute::none, Recompute::selective, Recompute::full}) {
      const auto bytes = question.bytes_in_layout(layout, mode);
      if (!bytes) break;
      if (*bytes > question.free_bytes) continue;
      const int more = layout.world() / question.layout.world();
      return fmt::format(
          "{}--tensor_model_parallel_size {} --context_parallel_size {} with recomputation {} "
          "fits: {} a rank",
          more > 1 ? fmt::format("{} ranks with ", layout.world()) : "", layout.tp, layout.cp,
          name_of(mode), human(*bytes));
    }
  }
  return "use a smaller --max_length";
}

std::vector<Recompute> modes_of(const PlanRequest& question) {
  if (question.recompute) return {*question.recompute};
  return {Recompute::none, Recompute::selective, Recompute::full};
}

/// Bisects for the most layers that can keep everything. A plan grows with their number.
void keep_what_fits(const PlanRequest& question, PlanChoice& choice) {
  const auto usable =
      static_cast<std::size_t>(static_cast<double>(question.free_bytes) * kShareForKeptLayers);
  const Recompute mode = choice.recomputation().mode;
  std::int64_t fits = 0;
  std::int64_t beyond = question.layers;  // with all of them it would be Recompute::none
  while (beyond - fits > 1) {
    const std::int64_t kept = (fits + beyond) / 2;
    MemoryPlan plan = question.plan(choice.micro_bs, {mode, kept});
    if (plan.bytes <= usable) {
      fits = kept;
      choice.plan = std::move(plan);
    } else {
      beyond = kept;
    }
  }
}

}  // namespace

std::size_t usable_memory(Runtime& runtime, int ranks_per_gpu) {
  const auto free = static_cast<double>(runtime.device.memory_free());
  // Ranks that share a host's memory share what is free of it; a GPU's is this run's alone.
  const bool host = runtime.device.kind() == DeviceKind::cpu;
  const double share = host ? kUsableShareOfFreeHostMemory / runtime.coordinator.local_size()
                            : kUsableShareOfFreeDeviceMemory / ranks_per_gpu;
  const auto mine = static_cast<std::int64_t>(free * share);
  return static_cast<std::size_t>(-runtime.coordinator.max(-mine));
}

std::string describe(const MemoryPlan& plan) {
  std::vector<Arena::Section> sections = plan.sections;
  std::stable_sort(sections.begin(), sections.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  std::string text;
  for (const Arena::Section& section : sections) {
    text += fmt::format("  {:>10}  {}\n", human(section.bytes), section.name);
  }
  return text + fmt::format("  {:>10}  in all", human(plan.bytes));
}

std::optional<PlanChoice> cheapest_fit(const PlanRequest& question) {
  for (const Recompute mode : modes_of(question)) {
    for (std::int64_t size = question.micro_bs; size >= 1; size /= 2) {
      MemoryPlan plan = question.plan(size, {mode});
      if (plan.bytes > question.free_bytes) continue;
      PlanChoice choice{size, std::move(plan), ""};
      if (size != question.micro_bs) {
        choice.note = fmt::format(
            "--micro_bs {} does not fit into {} of free memory a rank: using {} (the numbers do "
            "not depend on it)",
            question.micro_bs, human(question.free_bytes), size);
      }
      if (!question.recompute && mode != Recompute::none) keep_what_fits(question, choice);
      return choice;
    }
  }
  return std::nullopt;
}

MemoryPlan least_plan(const PlanRequest& question) {
  return question.plan(1, {modes_of(question).back()});
}

PlanChoice choose_memory(const PlanRequest& question) {
  if (auto choice = cheapest_fit(question)) return *std::move(choice);
  const MemoryPlan least = least_plan(question);
  user_error(
      "the run does not fit: a rank needs at least {} (one pack a micro-batch, recomputation {}), "
      "but only {} are free. Planned:\n{}\nWhat would fit: {}",
      human(least.bytes), name_of(least.shape.recomputation.mode), human(question.free_bytes),
      describe(least), nearest_fit(question));
}

}  // namespace longhaul
