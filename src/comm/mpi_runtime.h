#pragma once

#include <mpi.h>

#include <memory>

#include "comm/coordinator.h"

namespace longhaul {

/// MPI from start to end of the program. Construct one in main, before anything else that talks to
/// other ranks.
class MpiRuntime {
 public:
  MpiRuntime();
  /// Finalizes; after an exception without agreement call abort() instead.
  ~MpiRuntime();
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;

  [[nodiscard]] MPI_Comm world() const { return MPI_COMM_WORLD; }
  /// Ends every rank of the job at once with `exit_code`.
  [[noreturn]] static void abort(int exit_code);
};

/// A coordinator over all ranks of `world`, on an MPI communicator of its own. Collective. MPI must
/// be initialised and outlive it.
std::unique_ptr<Coordinator> make_mpi_coordinator(MPI_Comm world);

}  // namespace longhaul
