#include "model/recomputation.h"

#include <fmt/format.h>

namespace longhaul {

std::string_view name_of(Recompute mode) { return name_in(kRecomputeModes, mode); }

Recompute parse_recompute(std::string_view text) {
  return parse_choice("recompute_granularity", text, kRecomputeModes);
}

std::string describe(const Recomputation& recomputation, std::int64_t layers) {
  const std::string mode(name_of(recomputation.mode));
  if (recomputation.mode == Recompute::none || recomputation.kept_layers == 0) return mode;
  return fmt::format("{} in {} of {} layers", mode, layers - recomputation.kept_layers, layers);
}

}  // namespace longhaul
