#pragma once

#include <memory>

#include "comm/progress.h"
#include "watchdog/failure_file.h"

namespace longhaul {

/// While this object lives, a crash (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) leaves a failure
/// record and one line on standard error, and then goes its usual way: to the handler that was
/// there before (Open MPI's prints a stack), and to a core file where they are wanted. One object a
/// process. Stacks that overflow are covered on the thread that makes it.
class FatalSignals {
 public:
  /// Both must outlive this object.
  FatalSignals(FailureFile& file, const ProgressRecord& progress, const char* command);
  ~FatalSignals();
  FatalSignals(const FatalSignals&) = delete;
  FatalSignals& operator=(const FatalSignals&) = delete;

 private:
  std::unique_ptr<std::byte[]> stack_;
};

}  // namespace longhaul
