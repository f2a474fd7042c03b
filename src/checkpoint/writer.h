#pragma once

#include <cstdint>
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

/// A checkpoint that is complete and published.
struct CompletedCheckpoint {
  std::int64_t step = 0;
  std::filesystem::path directory;
  std::int64_t bytes = 0;           // of all tensors, over all ranks
  double blocked_seconds = 0.0;     // that rank 0 spent inside the writer's methods for it
  double background_seconds = 0.0;  // work behind: the slowest rank's shard, then the index
};

struct CheckpointWriterOptions {
  std::filesystem::path save;
  /// Keep the newest N complete checkpoints; 0 keeps all.
  int save_total_limit = 0;
  /// Told, on rank 0, what is worth saying but no failure (an old checkpoint that cannot be
  /// removed). Without it the text goes to standard error.
  std::function<void(const std::string&)> warn;
  /// Told, on rank 0, of each checkpoint once it is complete.
  std::function<void(const CompletedCheckpoint&)> completed;
  // Both are called from within the writer's methods, by the thread that calls them, and must not
  // throw.
};

/// Writes checkpoints of a run into its save directory: <save>/step_00000050/{index.h5,shard_*.h5}
/// and <save>/latest. The trainer hands over contents that point into host memory and goes on; a
/// thread of this object does the work.
///
/// All methods are collective and are called by one thread of each rank, which may do whatever it
/// likes in between, other collectives among them. A checkpoint goes through three stages:
///
///   write()            all ranks: sizes are summed, rank 0 looks for space and makes step_….tmp
///   ... behind ...     each rank's thread writes its shard and waits until it is on disk
///   poll() or finish() all ranks: when the last shard is there, rank 0 gathers their tables
///   ... behind ...     rank 0's thread writes index and seal, publishes, removes old checkpoints
///   poll() or finish() all ranks learn that it is complete
///
/// The threads only touch files: they never communicate. So MPI need not be told of threads, no
/// thread spins in MPI while it waits for a slow disk of another rank, agreement and failure take
/// the same road as everywhere else (Coordinator::run_collectively), and nothing depends on how
/// soon a shared file system shows one host what another has done. The price is that a checkpoint
/// appears at the first poll() after its last shard is on disk, and not at that very moment.
///
/// Failures are thrown by whichever method is called next, as CollectiveError, with the text of the
/// lowest rank that failed: disk full, directory not writable, ... By then everyone has stopped
/// writing, nothing is left of the attempt, and the previous checkpoint is still the latest. The
/// writer can be used again.
class CheckpointWriter {
 public:
  /// Rank 0 creates the save directory, checks that it is writable and removes what a crash has
  /// left half written there; throws CollectiveError when that fails.
  CheckpointWriter(Coordinator& coordinator, CheckpointWriterOptions options);
  /// Not collective. A checkpoint that is not complete is given up, as if the program had been
  /// killed here: what is there of it is removed when the next writer starts.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Waits for the checkpoint before as finish() does, then starts this one and returns once it is
  /// handed over. The data behind contents.slabs must stay unchanged until finish() has returned or
  /// `completed` has been called.
  void write(CheckpointContents contents);
  /// Moves a checkpoint under way on to its next stage if all ranks are ready for it; never waits
  /// for work. To be called once a step; takes one small reduction, and nothing at all when no
  /// checkpoint is under way.
  void poll();
  /// Waits until no checkpoint is under way.
  void finish();
  [[nodiscard]] bool under_way() const { return attempt_ != nullptr; }

 private:
  struct Attempt;
  enum class Patience : std::uint8_t { none, until_ready };

  [[nodiscard]] bool is_first() const { return coordinator_.rank() == 0; }
  void advance(Patience patience);
  [[nodiscard]] bool everyone_is_ready(Patience patience);
  void hand_over();
  void start_index();
  void write_and_publish_index(Attempt& attempt) const;
  void complete();
  [[noreturn]] void give_up(const CollectiveError& error);
  void check_free_space(std::int64_t needed) const;
  [[nodiscard]] std::string what_remains() const;

  Coordinator& coordinator_;
  CheckpointWriterOptions options_;
  std::unique_ptr<Attempt> attempt_;  // the checkpoint under way, on all ranks or none
};

}  // namespace longhaul
