#pragma once

#include <array>
#include <cstdint>

#include "core/arena.h"
#include "core/tensor/dtype.h"
#include "core/tensor/matrix.h"
#include "model/parameter_table.h"
#include "train/optimizer/shard_layout.h"

namespace longhaul {

/// A tensor that the optimizer keeps for each parameter.
struct StateDescription {
  const char* name;  // as checkpoints have it: a string literal
  DType dtype;       // in memory and in checkpoints
};

/// The weights in full precision, from which those of the model are rounded.
inline constexpr StateDescription kMasterWeights{"master", DType::f32};

/// What AdamW keeps, in the order of memory and checkpoints. Plans and checks read sizes here, so
/// that they need no optimizer.
inline constexpr std::array kAdamWState = {kMasterWeights, StateDescription{"exp_avg", DType::f32},
                                           StateDescription{"exp_avg_sq", DType::f32}};

/// Bytes of AdamW's state for each element of a parameter.
constexpr std::int64_t adamw_state_bytes() {
  std::int64_t bytes = 0;
  for (const StateDescription& state : kAdamWState) {
    bytes += static_cast<std::int64_t>(size_of(state.dtype));
  }
  return bytes;
}

/// One of them in device memory: this rank's shards of all parameters.
class StateTensor {
 public:
  /// The table and the layout must outlive it.
  StateTensor(const StateDescription& description, const ParameterTable& table,
              const ShardLayout& layout, Arena& arena);

  [[nodiscard]] const char* name() const { return description_.name; }
  [[nodiscard]] DType dtype() const { return description_.dtype; }
  /// This rank's shard of a parameter [shard_rows, cols], contiguous.
  [[nodiscard]] MatrixView view(int parameter) const;
  /// All shards as ShardLayout has them, in one row.
  [[nodiscard]] MatrixView all() const;

 private:
  StateDescription description_;
  const ParameterTable& table_;
  const ShardLayout& layout_;
  void* data_;
};

}  // namespace longhaul
