// The watchdog among ranks that do nothing wrong; what it does to others is tested with the whole
// program (tests/app/failure_report_test.py), because it ends the process.
#include "watchdog/watchdog.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "comm/mpi_runtime.h"
#include "watchdog/heartbeat_socket.h"

namespace longhaul {
namespace {

using std::chrono::milliseconds;

class WatchdogTest : public ::testing::Test {
 protected:
  std::unique_ptr<Coordinator> coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
  Log log_{coordinator_->rank(), coordinator_->host()};
};

TEST_F(WatchdogTest, LetsSlowRanksWork) {
  const Watchdog watchdog(*coordinator_, {.comm = 2.0, .startup = 2.0}, "test", log_);
  coordinator_->progress().set_pace(Pace::work);
  // Together longer than the limit, but never silent for as long.
  for (int i = 0; i < 4; ++i) {
    if (coordinator_->rank() == 1) {
      for (int j = 0; j < 3; ++j) {
        std::this_thread::sleep_for(milliseconds(300));
        coordinator_->progress().beat();
      }
    }
    coordinator_->barrier();
  }
}

TEST_F(WatchdogTest, WaitsForNobodyWhoHasLeft) {
  for (int i = 0; i < 3; ++i) {
    auto watchdog =
        std::make_unique<Watchdog>(*coordinator_, HangLimits{1.0, 1.0, 1.0, 0.5}, "test", log_);
    // Everyone leaves at another time.
    std::this_thread::sleep_for(milliseconds(700) * coordinator_->rank());
    watchdog.reset();
    std::this_thread::sleep_for(milliseconds(700) * (coordinator_->size() - coordinator_->rank()));
    coordinator_->barrier();
  }
}

TEST_F(WatchdogTest, CanBeLeftOut) {
  Watchdog watchdog(*coordinator_, {.comm = 0.0}, "test", log_);
  watchdog.set_layout({1, 1, coordinator_->size()});
  watchdog.set_failure_file(nullptr);
}

TEST_F(WatchdogTest, HeartbeatsTravelWhole) {
  HeartbeatListener listener;
  HeartbeatSocket there = HeartbeatSocket::connect("127.0.0.1", listener.port(), 1000);
  ASSERT_TRUE(there.open());
  HeartbeatSocket here;
  for (int i = 0; i < 100 && !here.open(); ++i) {
    here = listener.accept();
    std::this_thread::sleep_for(milliseconds(5));
  }
  ASSERT_TRUE(here.open());
  ProgressRecord record;
  record.begin_step(9);
  record.enter_phase("data");
  const HeartbeatToken token = random_token();
  EXPECT_NE(token, random_token());
  constexpr int kMany = 100;
  for (int i = 0; i < kMany; ++i) there.send({token, Heartbeat::Kind::beat, i, record.read()});
  int received = 0;
  for (int i = 0; i < 200 && received < kMany; ++i) {
    while (const std::optional<Heartbeat> heartbeat = here.receive()) {
      EXPECT_EQ(heartbeat->rank, received++);
      EXPECT_EQ(heartbeat->token, token);
      EXPECT_EQ(heartbeat->progress.step, 9);
      EXPECT_STREQ(heartbeat->progress.phase.data(), "data");
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(received, kMany);

  // Nobody reads: nothing blocks, and what arrives later is still whole.
  for (int i = 0; i < 100000; ++i) there.send({token, Heartbeat::Kind::beat, i, record.read()});
  ASSERT_TRUE(there.open());
  int last = -1;
  for (int idle = 0; idle < 20;) {
    const std::optional<Heartbeat> heartbeat = here.receive();
    if (!heartbeat) {
      ++idle;
      std::this_thread::sleep_for(milliseconds(5));
      continue;
    }
    idle = 0;
    ASSERT_EQ(heartbeat->token, token);
    ASSERT_GT(heartbeat->rank, last);
    last = heartbeat->rank;
  }
  there.close();
  for (int i = 0; i < 100 && here.open(); ++i) {
    EXPECT_FALSE(here.receive());
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_FALSE(here.open());
}

TEST_F(WatchdogTest, ConnectingToNobodyFails) {
  EXPECT_FALSE(HeartbeatSocket::connect("127.0.0.1", 1, 200).open());
  EXPECT_FALSE(HeartbeatSocket::connect("no address", 1, 200).open());
}

}  // namespace
}  // namespace longhaul
