#include "comm/coordinator.h"

#include <gtest/gtest.h>

#include "comm/mpi_runtime.h"

namespace longhaul {
namespace {

class CoordinatorTest : public ::testing::Test {
 protected:
  std::unique_ptr<Coordinator> coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
};

TEST_F(CoordinatorTest, MovesTextsOfAnyLength) {
  const int rank = coordinator_->rank();
  const int size = coordinator_->size();
  const std::string mine(static_cast<std::size_t>(rank) * 1000, static_cast<char>('a' + rank));
  const std::vector<std::string> all = coordinator_->all_gather(mine);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) {
    EXPECT_EQ(all[static_cast<std::size_t>(i)],
              std::string(static_cast<std::size_t>(i) * 1000, static_cast<char>('a' + i)));
  }
  EXPECT_EQ(coordinator_->gather(mine, 0).size(), rank == 0 ? all.size() : 0U);
  EXPECT_EQ(coordinator_->broadcast(rank == size - 1 ? "hello" : "", size - 1), "hello");
}

TEST_F(CoordinatorTest, SumsDoublesInRankOrder) {
  const double rank = coordinator_->rank();
  const std::vector<double> sums = coordinator_->sum(std::vector{1.0, rank});
  const double size = coordinator_->size();
  EXPECT_EQ(sums, (std::vector{size, size * (size - 1) / 2}));
}

TEST_F(CoordinatorTest, OneFailureReachesEveryRankAndOneSpeaks) {
  const int failing = coordinator_->size() - 1;
  int speakers = 0;
  try {
    coordinator_->run_collectively([&] {
      if (coordinator_->rank() == failing) user_error("the disk of rank {} is full", failing);
    });
    FAIL() << "no error on rank " << coordinator_->rank();
  } catch (const CollectiveError& error) {
    EXPECT_NE(std::string(error.what()).find("is full"), std::string::npos);
    EXPECT_EQ(error.exit_code(), kExitUserError);
    EXPECT_EQ(error.speaker(), coordinator_->rank() == failing);
    speakers = error.speaker() ? 1 : 0;
  }
  EXPECT_EQ(coordinator_->sum(std::int64_t{speakers}), 1);
}

TEST_F(CoordinatorTest, LowestFailingRankSpeaksAndNestingKeepsTheText) {
  try {
    coordinator_->run_collectively(
        [&] { coordinator_->run_collectively([&] { throw InternalError("broken"); }); });
    FAIL() << "no error";
  } catch (const CollectiveError& error) {
    EXPECT_EQ(error.speaker(), coordinator_->rank() == 0);
    EXPECT_EQ(error.exit_code(), kExitFailure);
    const std::string text = error.what();
    EXPECT_EQ(text.find("broken"), text.rfind("broken")) << text;
  }
}

TEST_F(CoordinatorTest, AWishToStopIsAgreedOn) {
  int signal = 0;
  coordinator_->stop_at_agreement([&] { return signal; }, "before the first step");
  coordinator_->run_collectively([] {});
  // One rank is told; another one fails at the same time: that counts more.
  signal = coordinator_->rank() == coordinator_->size() - 1 ? 15 : 0;
  try {
    coordinator_->run_collectively([&] {
      if (coordinator_->rank() == 0) user_error("a mistake");
    });
    FAIL() << "no error";
  } catch (const CollectiveError& error) {
    EXPECT_EQ(error.exit_code(), kExitUserError);
  }
  try {
    coordinator_->run_collectively([&] { coordinator_->run_collectively([] {}); });
    FAIL() << "no stop";
  } catch (const CollectiveError& error) {
    EXPECT_EQ(error.exit_code(), kExitStopped);
    EXPECT_EQ(std::string(error.what()), "stopped by SIGTERM before the first step");
    EXPECT_EQ(error.speaker(), coordinator_->rank() == 0);
  }
  coordinator_->stop_at_agreement({}, "");
  coordinator_->run_collectively([] {});
}

TEST_F(CoordinatorTest, SuccessIsQuiet) {
  int calls = 0;
  coordinator_->run_collectively([&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace longhaul
