#pragma once

#include <vector>

#include "core/arena.h"
#include "model/parameter_table.h"
#include "runtime/runtime.h"

namespace longhaul {

class Weights;

/// The weights of one unit, whole and ready for what the compute stream is given while this object
/// lives. Views must not be used after it.
class WeightLease {
 public:
  explicit WeightLease(const Weights& weights) : weights_(weights) {}
  WeightLease(const WeightLease&) = delete;
  WeightLease& operator=(const WeightLease&) = delete;

  /// [rows, cols] of a parameter of the unit.
  [[nodiscard]] ConstMatrixView matrix(int parameter) const;
  [[nodiscard]] const void* data(int parameter) const { return matrix(parameter).data; }

 private:
  const Weights& weights_;
};

/// The weights that this rank computes with: each parameter's TP part, whole over dp_cp, in the
/// device's compute dtype.
class Weights {
 public:
  Weights(Runtime& runtime, const ParameterTable& table, Arena& arena);

  /// Work issued on the compute stream from now on finds the weights of `unit` gathered. With tied
  /// embeddings the head's include the embedding.
  [[nodiscard]] WeightLease use(Unit unit) const;

  /// [rows, cols] of a parameter, gathered or not.
  [[nodiscard]] MatrixView matrix(int parameter) const;
  /// This rank's rows of a parameter within the dp_cp group: what the optimizer writes.
  [[nodiscard]] MatrixView shard(int parameter) const;

  /// Gathers every parameter from its shards over dp_cp, unit after unit in forward order on the
  /// runtime's weight stream, so that the next forward pass can start while later units are still
  /// on their way.
  void gather();

 private:
  void wait_for(Unit unit) const;
  [[nodiscard]] void* data(int parameter) const {
    return data_[static_cast<std::size_t>(parameter)];
  }

  Runtime& runtime_;
  const ParameterTable& table_;
  std::vector<void*> data_;
  std::vector<Event> gathered_;  // of each unit of the table
  Event updated_{};
};

inline ConstMatrixView WeightLease::matrix(int parameter) const {
  return weights_.matrix(parameter);
}

}  // namespace longhaul
