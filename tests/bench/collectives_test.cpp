#include "bench/collectives.h"

#include <gtest/gtest.h>

#include "core/error.h"

// Real groups are measured by tests/app/bench_test.py under mpirun.
namespace longhaul::bench {
namespace {

TEST(CollectiveBench, OneRankHasNothingToExchange) {
  Backend backend = make_cpu_backend(1);
  const auto coordinator = make_solo_coordinator();
  const Communicators comms = make_self_communicators();
  Report report("collectives", nullptr);
  EXPECT_THROW(bench_collectives(backend, comms, *coordinator,
                                 ProcessGrid(ParallelLayout{1, 1, 1}, 0), {}, report),
               UserError);
}

}  // namespace
}  // namespace longhaul::bench
