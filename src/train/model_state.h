#pragma once

#include <cstddef>
#include <vector>

#include "checkpoint/reader.h"
#include "checkpoint/slab.h"
#include "runtime/runtime.h"
#include "train/training_memory.h"
#include "train/weight_source.h"

namespace longhaul {

// Between device memory and files: this rank's shards of weights and optimizer state.

/// Reads the master weights from `source`, starts the moments at zero, and makes the weights
/// complete on all ranks. Collective.
void load_weights(Runtime& runtime, const ParameterTable& table, const WeightSource& source,
                  TrainingMemory& memory);

/// Reads master weights and moments as a checkpoint has them, whatever layout wrote it. Throws
/// UserError when the checkpoint holds weights only. Collective.
void load_training_state(Runtime& runtime, const ParameterTable& table,
                         const CheckpointReader& reader, TrainingMemory& memory);

/// Host copies of what this rank writes into a checkpoint, in page-locked memory: the run waits for
/// the copy, which is several times slower into other memory.
class StateSnapshot {
 public:
  StateSnapshot(Runtime& runtime, const ParameterTable& table, TrainingMemory& memory);

  /// Copies the current state from the device. The slabs point into this object.
  const std::vector<TensorSlab>& take();

 private:
  struct Source {
    const void* device;
    std::size_t bytes;
    std::size_t offset;  // into host_
  };
  /// A piece of `tensor`, which lies in `shard`, a parameter's.
  void add(const std::string& path, const LogicalTensor& tensor, const ParameterPiece& piece,
           const MatrixView& shard);

  Runtime& runtime_;
  std::vector<Source> sources_;
  PinnedBuffer host_;  // allocated at the first take(), then kept
  std::size_t bytes_ = 0;
  std::vector<TensorSlab> slabs_;
};

}  // namespace longhaul
