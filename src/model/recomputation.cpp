#include "model/recomputation.h"

#include <fmt/format.h>

#include "core/error.h"

namespace longhaul {
std::string_view name_of(Recompute mode) {
  switch (mode) {
    case Recompute::none:
      return "none";
    case Recompute::selective:
      return "selective";
    case Recompute::full:
      return "full";
  }
  return "?";
}

Recompute parse_recompute(std::string_view text) {
  for (const Recompute mode : {Recompute::none, Recompute::selective, Recompute::full}) {
    if (text == name_of(mode)) return mode;
  }
  user_error("--recompute_granularity {}: choose auto, none, selective or full", text);
}

std::string describe(const Recomputation& recomputation, std::int64_t layers) {
  const std::string mode(name_of(recomputation.mode));
  if (recomputation.mode == Recompute::none || recomputation.kept_layers == 0) return mode;
  return fmt::format("{} in {} of {} layers", mode, layers - recomputation.kept_layers, layers);
}

}  // namespace longhaul
