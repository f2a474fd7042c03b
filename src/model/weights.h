#pragma once

#include <vector>

#include "core/arena.h"
#include "model/parameter_table.h"
#include "runtime/runtime.h"

namespace longhaul {

/// The weights that this rank computes with: each parameter's TP part, whole over dp_cp, in the
/// backend's weight dtype.
class Weights {
 public:
  Weights(Runtime& runtime, const ParameterTable& table, Arena& arena);

  /// [rows, cols] of a parameter.
  [[nodiscard]] MatrixView matrix(int parameter) const;
  [[nodiscard]] void* data(int parameter) const {
    return data_[static_cast<std::size_t>(parameter)];
  }
  /// This rank's rows of a parameter within the dp_cp group: what the optimizer writes.
  [[nodiscard]] MatrixView shard(int parameter) const;

  /// Gathers every parameter from its shards over dp_cp, layer after layer on the runtime's weight
  /// stream, so that the next forward pass can start while later layers are still on their way.
  void gather();
  /// Work issued on the compute stream from now on waits for the weights of `layer` (-1: those
  /// outside of layers).
  void wait_for(int layer) const;

 private:
  Runtime& runtime_;
  const ParameterTable& table_;
  std::vector<void*> data_;
  std::vector<Event> gathered_;  // [layers + 1], the last for parameters outside of layers
  Event updated_{};
};

}  // namespace longhaul
