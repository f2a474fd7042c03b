#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/slab.h"
#include "comm/coordinator.h"

namespace longhaul {

/// What one rank contributes to one checkpoint.
struct CheckpointContents {
  std::int64_t step = 0;
  std::string metadata;           // JSON object: run configuration, data position, layout, ...
  std::vector<TensorSlab> slabs;  // this rank's rectangles; over all ranks they tile each tensor
};

/// Writes checkpoints of a run into its save directory: <save>/step_00000050/{index.h5,shard_*.h5}
/// and <save>/latest. The trainer hands over contents that point into host memory.
class CheckpointWriter {
 public:
  virtual ~CheckpointWriter() = default;

  /// Starts a checkpoint. The data behind contents.slabs must stay unchanged until the next call of
  /// any method here has returned. Collective. Throws CollectiveError when the disk is full or the
  /// directory not writable; the previous checkpoint then stays the latest and no half is left.
  virtual void write(const CheckpointContents& contents) = 0;
  /// Waits for a write in progress; throws as write() does. Collective.
  virtual void finish() = 0;
};

struct CheckpointWriterOptions {
  std::filesystem::path save;
  /// Keep the newest N complete checkpoints; 0 keeps all.
  int save_total_limit = 0;
  /// Told, on rank 0, what is worth saying but no failure (an old checkpoint that cannot be
  /// removed). Without it the text goes to standard error.
  std::function<void(const std::string&)> warn;
};

/// A writer whose write() returns when the checkpoint is complete and published. Collective: rank 0
/// creates the save directory, checks that it is writable and removes what a crash has left half
/// written there; throws CollectiveError when that fails.
std::unique_ptr<CheckpointWriter> make_synchronous_writer(Coordinator& coordinator,
                                                          CheckpointWriterOptions options);

}  // namespace longhaul
