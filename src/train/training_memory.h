#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/arena.h"
#include "model/transformer.h"
#include "runtime/runtime.h"
#include "train/batch_feed.h"
#include "train/optimizer/gradient_buffers.h"
#include "train/optimizer/sharded_adamw.h"

namespace longhaul {

/// What determines the memory of one rank.
struct MemoryShape {
  std::int64_t max_tokens = 0;    // of a micro-batch's stream, padding included
  std::int64_t max_position = 0;  // of the longest document
  Recomputation recomputation;
};

/// Bytes of device memory and what they are for.
struct MemoryPlan {
  std::size_t bytes = 0;
  std::vector<Arena::Section> sections;
  MemoryShape shape;  // of the run that it is for
};

/// Everything of a run that lives in device memory, in one block whose size is known before it is
/// allocated: weights, gradients, optimizer state, activations, workspace, batch.
class TrainingMemory {
 public:
  /// What a run of this shape needs on one rank of a layout. Pure: asks and allocates nothing, so
  /// that neither the device nor the other ranks need be there.
  static MemoryPlan plan(const DeviceModel& device, const ProcessGrid& grid,
                         const ModelConfig& config, const ParameterTable& table,
                         const AdamWOptions& adamw, const MemoryShape& demand);

  /// Allocates it. Throws UserError when the device does not have it.
  TrainingMemory(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
                 const AdamWOptions& adamw, const MemoryShape& demand);

  [[nodiscard]] std::size_t bytes() const { return buffer_.bytes(); }
  [[nodiscard]] const ShardLayout& layout() const { return parts_->layout; }
  [[nodiscard]] Weights& weights() { return parts_->weights; }
  [[nodiscard]] GradientBuffers& gradients() { return parts_->gradients; }
  [[nodiscard]] ShardedAdamW& optimizer() { return parts_->optimizer; }
  [[nodiscard]] Transformer& model() { return parts_->model; }
  [[nodiscard]] BatchFeed& feed() { return parts_->feed; }

 private:
  /// The consumers of the arena, in the order in which they take from it.
  struct Parts {
    Parts(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
          const AdamWOptions& adamw, const MemoryShape& demand, Arena& arena);
    ShardLayout layout;
    Weights weights;
    GradientBuffers gradients;
    ShardedAdamW optimizer;
    Transformer model;
    BatchFeed feed;
    WorkspaceShape workspace_shape;
    std::size_t workspace_bytes;
    void* workspace;
  };

  DeviceBuffer buffer_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace longhaul
