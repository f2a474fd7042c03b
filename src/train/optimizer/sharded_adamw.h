#pragma once

#include <array>
#include <span>

#include "core/arena.h"
#include "model/weights.h"
#include "runtime/runtime.h"
#include "train/optimizer/optimizer_state.h"
#include "train/optimizer/shard_layout.h"

namespace longhaul {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // on matrices; never on norms and biases
};

/// AdamW whose state is split by rows over the dp_cp group: each rank updates its shard of
/// every parameter and writes the rounded weights; Weights::gather() then completes them.
class ShardedAdamW {
 public:
  ShardedAdamW(Runtime& runtime, const ParameterTable& table, const ShardLayout& layout,
               Weights& weights, const AdamWOptions& options, Arena& arena);

  /// Clears the state. Padding rows of shards take part in norms and updates, and nothing else
  /// writes them.
  void initialize();

  /// L2 norm of the whole model's gradient. Collective over all ranks; the same value everywhere.
  /// Not finite when any gradient is not.
  double gradient_norm(const float* gradient_shards);

  /// Update number `update` (counted from 1): parameters with gradient * gradient_scale.
  void update(const float* gradient_shards, std::int64_t update, double learning_rate,
              double gradient_scale);

  /// Writes the weights' shards from the master weights (after loading).
  void round_weights();

  /// This rank's state, as kAdamWState lists it.
  [[nodiscard]] std::span<const StateTensor> state() const { return state_; }
  [[nodiscard]] const StateTensor& master() const { return state_.front(); }

 private:
  Runtime& runtime_;
  const ParameterTable& table_;
  const ShardLayout& layout_;
  Weights& weights_;
  AdamWOptions options_;
  std::array<StateTensor, kAdamWState.size()> state_;
  double* sum_;  // device
  PinnedBuffer sum_on_host_;
};

}  // namespace longhaul
