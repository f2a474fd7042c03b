#pragma once

#include <memory>
#include <string>

#include "comm/coordinator.h"
#include "core/log.h"
#include "watchdog/failure_file.h"
#include "watchdog/hang.h"

namespace longhaul {

class Watch;

/// Ends the job when a rank waits for others that do not come.
///
/// A thread of each rank tells rank 0's where the rank is (Coordinator::progress()), twice a second
/// over a TCP connection of its own. Not over MPI: the main thread, the only one that may call it,
/// is stuck in it when it matters. So rank 0 sees every rank although all main threads wait, and a
/// rank that is stopped or cut off stands out by its silence. When find_hang() finds a wait without
/// an end, rank 0 says who waits, where, and for whom, writes the failure record, tells the others
/// and ends its process; mpirun ends what is left, stopped processes too. MPI_Abort is not for this
/// thread either.
///
/// The other ranks watch rank 0 in the same way: whoever waits and has not heard of it for as long
/// as find_hang() would grant ends the job itself, so that no rank outlives a host that is cut off.
/// Time in which this process, or the whole job, was stopped does not count.
class Watchdog {
 public:
  /// Starts watching. Collective. `command` begins the messages: "train". limits.comm 0: watches
  /// nothing, and opens no port.
  Watchdog(Coordinator& coordinator, const HangLimits& limits, std::string command, const Log& log);
  /// Says good-bye to the others.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// From now on groups of the layout have members.
  void set_layout(const ParallelLayout& layout);
  /// From now on failures are recorded there; null: no longer. Must outlive this object or the next
  /// call.
  void set_failure_file(FailureFile* file);

 private:
  std::unique_ptr<Watch> watch_;
};

}  // namespace longhaul
