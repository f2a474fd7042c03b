#pragma once

#include "core/arena.h"
#include "model/weights.h"
#include "runtime/runtime.h"
#include "train/shard_layout.h"

namespace longhaul {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // on matrices; never on norms and biases
};

/// AdamW whose fp32 state is split by rows over the dp_cp group: each rank updates its shard of
/// every parameter and writes the rounded weights; Weights::gather() then completes them.
class ShardedAdamW {
 public:
  ShardedAdamW(Runtime& runtime, const ParameterTable& table, const ShardLayout& layout,
               Weights& weights, const AdamWOptions& options, Arena& arena);

  /// L2 norm of the whole model's gradient. Collective over all ranks; the same value everywhere.
  /// Not finite when any gradient is not.
  double gradient_norm(const float* gradient_shards);

  /// Update number `update` (counted from 1): parameters with gradient * gradient_scale.
  void update(const float* gradient_shards, std::int64_t update, double learning_rate,
              double gradient_scale);

  /// Writes the weights' shards from the master weights (after loading).
  void round_weights();

  // This rank's state, laid out by ShardLayout, device memory.
  [[nodiscard]] float* master() const { return master_; }
  [[nodiscard]] float* exp_avg() const { return exp_avg_; }
  [[nodiscard]] float* exp_avg_sq() const { return exp_avg_sq_; }

 private:
  Runtime& runtime_;
  const ParameterTable& table_;
  const ShardLayout& layout_;
  Weights& weights_;
  AdamWOptions options_;
  float* master_;
  float* exp_avg_;
  float* exp_avg_sq_;
  double* sum_;  // device
  PinnedBuffer sum_on_host_;
};

}  // namespace longhaul
