// What all ranks do together: collecting facts and failures, clocks, the save directory.
#include <gtest/gtest.h>
#include <unistd.h>

#include "comm/mpi_communicator.h"
#include "comm/mpi_runtime.h"
#include "comm/named_groups.h"
#include "compute/cpu/cpu_backend.h"
#include "core/error.h"
#include "preflight/clock_check.h"
#include "preflight/directory_check.h"
#include "preflight/group_check.h"
#include "preflight_test_support.h"

namespace longhaul::preflight {
namespace {

class Ranks : public testing::Test {
 protected:
  std::unique_ptr<Coordinator> coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
  const int rank_ = coordinator_->rank();
  const int size_ = coordinator_->size();
};

TEST_F(Ranks, FactsComeToRank0WithRankAndHost) {
  CheckList checks(*coordinator_);
  bool judged = false;
  checks.run<int>(
      "numbers", [&] { return 10 * rank_; },
      [&](const auto& all) {
        judged = true;
        EXPECT_EQ(all.size(), static_cast<std::size_t>(size_));
        for (const auto& one : all) {
          EXPECT_EQ(one.fact, 10 * one.rank);
          EXPECT_EQ(one.host, coordinator_->host());
        }
        return Verdict{};
      });
  EXPECT_EQ(judged, rank_ == 0);
  EXPECT_FALSE(checks.failed());
  EXPECT_EQ(checks.results().size(), rank_ == 0 ? 1U : 0U);
}

TEST_F(Ranks, WhatIsThrownIsAFailureOfThatRankAndOthersAreJudged) {
  CheckList checks(*coordinator_);
  checks.run<int>(
      "numbers",
      [&] {
        if (rank_ == size_ - 1) user_error("rank {} is odd; make it even", rank_);
        return rank_;
      },
      [&](const auto& all) {
        EXPECT_EQ(all.size(), static_cast<std::size_t>(size_ - 1));
        Verdict verdict;
        verdict.warn(all.front(), "first", "nothing");
        return verdict;
      });
  EXPECT_TRUE(checks.failed());  // known everywhere
  if (rank_ != 0) return;
  const std::vector<Finding> findings = checks.findings();
  const Finding& failure = findings.back();
  EXPECT_EQ(failure.severity, Severity::failure);
  EXPECT_EQ(failure.rank, size_ - 1);
  EXPECT_EQ(failure.what, fmt::format("rank {} is odd", size_ - 1));
  EXPECT_EQ(failure.remedy == "make it even", size_ == 1) << failure.remedy;
  EXPECT_EQ(findings.size(), size_ == 1 ? 1U : 2U);
}

TEST_F(Ranks, AttemptTellsEveryoneWhetherAllSucceeded) {
  CheckList checks(*coordinator_);
  EXPECT_TRUE(checks.attempt("fine", [] {}));
  EXPECT_FALSE(checks.attempt("bad", [&] {
    if (rank_ == 0) throw InternalError("broken");
  }));
  EXPECT_TRUE(checks.failed());
}

TEST_F(Ranks, WarningsAreNoFailure) {
  CheckList checks(*coordinator_);
  checks.run<int>(
      "numbers", [] { return 1; },
      [](const auto& all) {
        Verdict verdict;
        verdict.warn(all.front(), "odd", "nothing");
        return verdict;
      });
  EXPECT_FALSE(checks.failed());
}

TEST_F(Ranks, ClocksOfOneHostAreNotCompared) {
  const Communicators comms =
      make_mpi_communicators(MPI_COMM_WORLD, ProcessGrid({1, 1, size_}, rank_));
  EXPECT_FALSE(compare_clocks(*coordinator_, comms[Group::world]).measured);
}

TEST_F(Ranks, GroupsAreMeasured) {
  Backend backend = make_cpu_backend(1);
  const ProcessGrid grid({size_ == 4 ? 2 : 1, 1, size_ == 4 ? 2 : size_}, rank_);
  const Communicators comms = make_mpi_communicators(MPI_COMM_WORLD, grid);
  const GroupSpeeds speeds = measure_groups(backend, *coordinator_, named_groups(comms, grid));
  EXPECT_EQ(speeds.size(), size_ == 4 ? 3U : 0U);
  for (const GroupSpeed& speed : speeds) EXPECT_GT(speed.bus_bandwidth(), 0.0) << speed.name;
}

TEST_F(Ranks, OneDirectoryForAllOrOneForEach) {
  namespace fs = std::filesystem;
  const std::string name = coordinator_->broadcast(
      (fs::temp_directory_path() / fmt::format("longhaul-save-{}", ::getpid())).string(), 0);
  {
    DirectoryProbe probe(*coordinator_, fs::path(name) / "run", std::chrono::seconds(2));
    const std::vector<DirectoryFact> shared = probe.look();
    if (rank_ == 0) {
      for (const DirectoryFact& fact : shared) EXPECT_TRUE(fact.sees_rank_0 && fact.seen_by_rank_0);
      EXPECT_TRUE(fs::is_empty(fs::path(name) / "run"));
    }
  }
  if (rank_ == 0) {
    EXPECT_FALSE(fs::exists(name));
  }
  coordinator_->barrier();
  const fs::path own = fmt::format("{}-{}", name, rank_);
  fs::create_directory(own);
  DirectoryProbe apart(*coordinator_, own, std::chrono::milliseconds(100));
  const std::vector<DirectoryFact> facts = apart.look();
  for (int rank = 1; rank < size_ && rank_ == 0; ++rank) {
    const DirectoryFact& fact = facts[static_cast<std::size_t>(rank)];
    EXPECT_TRUE(fact.exists) << rank;
    EXPECT_FALSE(fact.sees_rank_0) << rank;
    EXPECT_FALSE(fact.seen_by_rank_0) << rank;
  }
  EXPECT_TRUE(fs::is_empty(own));
  fs::remove(own);
}

}  // namespace
}  // namespace longhaul::preflight
