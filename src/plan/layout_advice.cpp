#include "plan/layout_advice.h"

#include <fmt/format.h>

namespace longhaul {
namespace {

constexpr int kUsualTp = 8;  // one node of eight GPUs
constexpr int kUsualCp = 4;

bool tp_divides(const ModelConfig& config, int tp) {
  return config.num_heads % tp == 0 && config.num_kv_heads % tp == 0 &&
         config.intermediate_size % tp == 0;
}

int largest_tp(int ranks, const ModelConfig& config) {
  for (int tp = kUsualTp; tp > 1; --tp) {
    if (ranks % tp == 0 && tp_divides(config, tp)) return tp;
  }
  return 1;
}

}  // namespace

LayoutAdvice choose_layout(int world, int tp, int cp, const ModelConfig& config) {
  if (tp > 0 && cp > 0) return {make_layout(world, tp, cp), ""};
  int chosen_tp = tp;
  int chosen_cp = cp;
  if (chosen_tp == 0) {
    const int others = cp > 0 ? cp : kUsualCp;
    const bool usual = world % (kUsualTp * others) == 0 && tp_divides(config, kUsualTp);
    if (usual) {
      chosen_tp = kUsualTp;
      chosen_cp = others;
    } else {
      // make_layout() reports a world that `cp` does not divide.
      chosen_tp = largest_tp(cp > 0 && world % cp == 0 ? world / cp : world, config);
      chosen_cp = cp > 0 ? cp : 1;
    }
  } else {
    chosen_cp = world % (tp * kUsualCp) == 0 ? kUsualCp : 1;
  }
  const ParallelLayout layout = make_layout(world, chosen_tp, chosen_cp);
  return {layout,
          fmt::format("layout chosen for {} ranks: {} (set --tensor_model_parallel_size and "
                      "--context_parallel_size to choose yourself)",
                      world, layout.describe())};
}

}  // namespace longhaul
