#pragma once

#include "model/activation_arena.h"

namespace longhaul {

/// Working buffers of the residual stream that every block uses in turn, and that hold nothing
/// between two blocks.
struct HiddenScratch {
  void* d_norm_out = nullptr;  // [sp, H]
  // With TP only:
  void* gathered = nullptr;  // hidden of all TP ranks [cp_local, H]
  void* partial = nullptr;   // what this TP rank adds to hidden [cp_local, H]

  explicit HiddenScratch(ActivationArena arena) : d_norm_out(arena.hidden("norm output gradient")) {
    if (arena.sizes.tp == 1) return;
    gathered = arena.matrix(arena.tokens.cp_local, arena.sizes.hidden, "gathered hidden");
    partial = arena.matrix(arena.tokens.cp_local, arena.sizes.hidden, "partial hidden");
  }
};

}  // namespace longhaul
