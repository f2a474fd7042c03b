// The watchdog among ranks that do nothing wrong; what it does to others is tested with the whole
// program (tests/app/failure_report_test.py), because it ends the process.
#include "watchdog/watchdog.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <thread>

#include "comm/mpi_runtime.h"
#include "core/stopwatch.h"
#include "watchdog/heartbeat_socket.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class WatchdogTest : public ::testing::Test {
 protected:
  std::unique_ptr<Coordinator> coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
  Log log_{coordinator_->rank(), coordinator_->host()};
};

TEST_F(WatchdogTest, LetsSlowRanksWork) {
  constexpr double kLimit = 4.0;
  const Watchdog watchdog(*coordinator_, {.comm = kLimit, .startup = kLimit}, "test", log_);
  coordinator_->progress().set_pace(Pace::work);
  // The others wait for rank 1 longer than the limit, but it is never silent for as long.
  const Stopwatch watch;
  while (coordinator_->rank() == 1 && watch.seconds() < kLimit + 1.0) {
    std::this_thread::sleep_for(milliseconds(300));
    coordinator_->progress().beat();
  }
  coordinator_->barrier();
  EXPECT_TRUE(coordinator_->size() == 1 || watch.seconds() > kLimit);
}

TEST_F(WatchdogTest, WaitsForNobodyWhoHasLeft) {
  constexpr HangLimits kLimits{.comm = 60.0, .startup = 60.0, .silence = 60.0, .lost = 0.2};
  for (const bool first_rank_leaves_first : {true, false}) {
    auto watchdog = std::make_unique<Watchdog>(*coordinator_, kLimits, "test", log_);
    // One after the other leaves, while those that stay wait for longer than they would for a rank
    // that is lost.
    const int before = first_rank_leaves_first ? coordinator_->rank()
                                               : coordinator_->size() - 1 - coordinator_->rank();
    const CollectiveScope scope(&coordinator_->progress(), Group::host, "leaving", 0);
    std::this_thread::sleep_for(milliseconds(700) * before);
    watchdog.reset();
  }
}

/// How many threads this process has.
std::ptrdiff_t threads() {
  return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
}

TEST_F(WatchdogTest, CanBeLeftOut) {
  const std::ptrdiff_t before = threads();
  {
    const Watchdog watchdog(*coordinator_, {}, "test", log_);
    EXPECT_EQ(threads(), before + (coordinator_->size() == 1 ? 0 : 1));
  }
  Watchdog watchdog(*coordinator_, {.comm = 0.0}, "test", log_);
  watchdog.set_layout({1, 1, coordinator_->size()});
  watchdog.set_failure_file(nullptr);
  EXPECT_EQ(threads(), before);
}

/// Asks again and again until there is an answer, which a busy machine may need a while for.
template <typename Ask>
void wait_until(const Ask& ask) {
  const Stopwatch watch;
  while (!ask() && watch.seconds() < 60.0) std::this_thread::sleep_for(milliseconds(1));
}

TEST_F(WatchdogTest, HeartbeatsTravelWhole) {
  HeartbeatListener listener;
  HeartbeatSocket there = HeartbeatSocket::connect("127.0.0.1", listener.port(), 10000);
  ASSERT_TRUE(there.open());
  HeartbeatSocket here;
  wait_until([&] {
    here = listener.accept();
    return here.open();
  });
  ASSERT_TRUE(here.open());
  ProgressRecord record;
  record.begin_step(9);
  record.enter_phase("data");
  const HeartbeatToken token = random_token();
  EXPECT_NE(token, random_token());
  const auto send = [&](int rank) {
    there.send({token, Heartbeat::Kind::beat, rank, record.read()});
  };
  constexpr int kMany = 100;
  for (int i = 0; i < kMany; ++i) send(i);
  int received = 0;
  wait_until([&] {
    while (const std::optional<Heartbeat> heartbeat = here.receive()) {
      EXPECT_EQ(heartbeat->rank, received++);
      EXPECT_EQ(heartbeat->token, token);
      EXPECT_EQ(heartbeat->progress.step, 9);
      EXPECT_STREQ(heartbeat->progress.phase.data(), "data");
    }
    return received == kMany;
  });
  EXPECT_EQ(received, kMany);

  // Nobody reads: nothing blocks, and what arrives later is still whole.
  constexpr int kLast = 100000;
  for (int i = 0; i < kLast; ++i) send(i);
  ASSERT_TRUE(there.open());
  int last = -1;
  int wrong = 0;
  wait_until([&] {
    send(kLast);  // is left out until there is room
    while (const std::optional<Heartbeat> heartbeat = here.receive()) {
      const bool next = heartbeat->rank > last || heartbeat->rank == kLast;
      wrong += next && heartbeat->token == token ? 0 : 1;
      last = heartbeat->rank;
    }
    return last == kLast;
  });
  EXPECT_EQ(last, kLast);
  EXPECT_EQ(wrong, 0);
  there.close();
  wait_until([&] {
    (void)here.receive();
    return !here.open();
  });
  EXPECT_FALSE(here.open());
}

TEST_F(WatchdogTest, ConnectingToNobodyFails) {
  EXPECT_FALSE(HeartbeatSocket::connect("127.0.0.1", 1, 200).open());
  EXPECT_FALSE(HeartbeatSocket::connect("no address", 1, 200).open());
}

}  // namespace
}  // namespace longhaul
