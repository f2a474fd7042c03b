#include "train/phase_timer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/stopwatch.h"

namespace longhaul {
namespace {

class PhaseTimerTest : public ::testing::Test {
 protected:
  static void sleep(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  }

  ProcessGrid grid_{ParallelLayout{1, 1, 1}, 0};
  Backend backend_ = make_cpu_backend(1);
  Communicators comms_ = make_self_communicators();
  std::unique_ptr<Coordinator> coordinator_ = make_solo_coordinator();
  Log log_{0, "here"};
  Runtime runtime_{grid_, backend_, comms_, *coordinator_, log_};
  PhaseTimer timer_{runtime_};
};

TEST_F(PhaseTimerTest, WaitingInAPhaseIsCommunication) {
  const Stopwatch watch;
  timer_.start();
  sleep(20);
  runtime_.exposed_comm->timed([] { sleep(30); });
  timer_.mark(&PhaseSeconds::forward);
  runtime_.exposed_comm->timed([] { sleep(10); });
  sleep(5);
  timer_.mark(&PhaseSeconds::backward);
  const PhaseSeconds seconds = timer_.finish();
  const double all = watch.seconds();
  EXPECT_GE(seconds.forward, 0.020);
  EXPECT_GE(seconds.backward, 0.005);
  EXPECT_GE(seconds.communication, 0.040);
  EXPECT_LE(seconds.forward + seconds.backward + seconds.communication, all);
  EXPECT_LE(seconds.forward, all - 0.045);
  EXPECT_LE(seconds.backward, all - 0.060);
}

TEST_F(PhaseTimerTest, EachStepBeginsAtZeroAndNothingCountsBetweenSteps) {
  for (int step = 0; step < 2; ++step) {
    const Stopwatch watch;
    timer_.start();
    runtime_.exposed_comm->timed([] { sleep(5); });
    timer_.mark(&PhaseSeconds::forward);
    const PhaseSeconds seconds = timer_.finish();
    EXPECT_GE(seconds.communication, 0.005);
    EXPECT_LE(seconds.communication, watch.seconds());
    runtime_.exposed_comm->timed([] { sleep(100); });  // as an evaluation
  }
  EXPECT_EQ(runtime_.exposed_comm->count(), 1U);
}

}  // namespace
}  // namespace longhaul
