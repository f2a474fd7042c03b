#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "train/training_memory.h"

namespace longhaul {

/// The micro-batch size and recomputation mode that fit the memory.
struct MemoryChoice {
  std::int64_t micro_bs = 1;
  Recompute recompute = Recompute::none;
  std::size_t bytes = 0;  // planned, of the rank that needs most
  std::string note;       // what was changed from what was asked, and why; empty when nothing
};

/// Finds the cheapest recomputation mode that fits, lowering the micro-batch size where it must
/// (numbers do not depend on it). recompute: what the user asked for; empty for auto.
/// bytes_needed(micro_bs, mode): planned bytes of the rank that needs most; free_bytes: what every
/// rank can have. Throws UserError with the smallest demand when nothing fits.
MemoryChoice choose_memory(
    std::int64_t micro_bs, std::optional<Recompute> recompute, std::size_t free_bytes,
    const std::function<std::size_t(std::int64_t micro_bs, Recompute mode)>& bytes_needed);

}  // namespace longhaul
