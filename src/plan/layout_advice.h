#pragma once

#include <string>

#include "comm/process_grid.h"
#include "model/model_config.h"

namespace longhaul {

struct LayoutAdvice {
  ParallelLayout layout;
  std::string reason;  // one line for the log; empty when the user chose both sizes
};

/// The layout of a run on `world` ranks. tp and cp are what the user asked for, 0 meaning "choose":
/// the sizes of the stack that Longhaul replaces (TP 8, CP 4) when they fit the world and the
/// model, else the largest TP up to 8 that divides ranks, heads, KV heads and MLP, and CP 1. Throws
/// UserError when the world or the model cannot be divided as asked.
LayoutAdvice choose_layout(int world, int tp, int cp, const ModelConfig& config);

}  // namespace longhaul
