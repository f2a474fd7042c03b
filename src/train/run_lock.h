#pragma once

#include <chrono>
#include <filesystem>

#include "comm/coordinator.h"
#include "core/file.h"
#include "core/log.h"

namespace longhaul {

/// Keeps a save directory to one run at a time: two that write the same logs and checkpoints would
/// spoil both. Each rank holds a lock on <save>/run.lock until this object or its process ends,
/// however it ends; so a run that starts right after another was killed waits for the last of its
/// ranks. Where the file system knows no locks, nothing is held.
class RunLock {
 public:
  /// Collective. Makes the directory when it is not there. Waits up to `patience` for a run that is
  /// just ending, and says so. Throws CollectiveError naming host and process of the other run, or
  /// when the file cannot be made.
  RunLock(const std::filesystem::path& save, Coordinator& coordinator, const Log& log,
          std::chrono::seconds patience);

 private:
  FileDescriptor file_;
};

}  // namespace longhaul
