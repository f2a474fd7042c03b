#pragma once

#include <cstdint>

#include "core/arena.h"
#include "core/tensor/dtype.h"
#include "model/local_sizes.h"

namespace longhaul {

/// Takes buffers for micro-batches of the largest size out of an arena.
class ActivationArena {
 public:
  ActivationArena(const LocalSizes& sizes, std::int64_t max_tokens, DType dtype, Arena& arena)
      : sizes(sizes), tokens(max_tokens, sizes), arena_(arena), dtype_(dtype) {}

  const LocalSizes sizes;
  const TokenCounts tokens;

  /// [rows, cols] in the compute dtype.
  [[nodiscard]] void* matrix(std::int64_t rows, std::int64_t cols, const char* label) {
    return arena_.allocate(static_cast<std::size_t>(rows * cols) * size_of(dtype_), label);
  }
  /// Rows of the residual stream [sp, H].
  [[nodiscard]] void* hidden(const char* label) { return matrix(tokens.sp, sizes.hidden, label); }
  [[nodiscard]] float* floats(std::int64_t count, const char* label) {
    return arena_.allocate_array<float>(count, label);
  }
  [[nodiscard]] Arena& arena() { return arena_; }

 private:
  Arena& arena_;
  DType dtype_;
};

}  // namespace longhaul
