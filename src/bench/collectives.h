#pragma once

#include <cstdint>

#include "bench/report.h"
#include "comm/communicators.h"
#include "comm/coordinator.h"
#include "comm/process_grid.h"
#include "compute/backend.h"

namespace longhaul::bench {

struct CollectiveOptions {
  std::int64_t min_bytes = std::int64_t{64} << 10;
  std::int64_t max_bytes = std::int64_t{1} << 30;
  std::int64_t factor = 4;  // between two sizes
  double seconds = 0.25;    // of one measurement, about
};

/// Times all_gather, reduce_scatter and all_reduce in every group of the layout that has more than
/// one rank; groups with the same members are measured once, and all groups of one kind run at the
/// same time, as in training. Sizes and bandwidths are those of nccl-tests: the size S is the whole
/// buffer (all_gather: what a rank has afterwards; reduce_scatter: before), algbw = S / t, and
/// busbw = algbw * 2 (n - 1) / n for all_reduce, algbw * (n - 1) / n for the others. t is the
/// slowest rank's median. Memory of the host is summed in fp32 alone: MPI does not add BF16.
///
/// After its measurement each collective runs on known inputs, and every element of the result is
/// compared on every rank; `wrong` is how many of all ranks' are. Throws CollectiveError on all
/// ranks after the last row when there were any, naming the first on the lowest rank.
/// Collective; `report` prints on rank 0 and holds the same rows everywhere.
void bench_collectives(Backend& backend, const Communicators& comms, Coordinator& coordinator,
                       const ProcessGrid& grid, const CollectiveOptions& options, Report& report);

}  // namespace longhaul::bench
