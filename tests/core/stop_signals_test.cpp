#include "core/stop_signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "core/stopwatch.h"

namespace longhaul {
namespace {

/// Runs `work` in a child; returns what waitpid says.
int in_child(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

// Signals within a fifth of a second count as one.
constexpr double kOneWishSeconds = 0.2;
constexpr std::chrono::milliseconds kLater{250};

TEST(StopSignals, RemembersTheFirst) {
  for (const int signal : {SIGTERM, SIGUSR1, SIGINT}) {
    const StopSignals signals;
    EXPECT_EQ(StopSignals::received(), 0);
    ::raise(signal);
    EXPECT_EQ(StopSignals::received(), signal);
  }
}

TEST(StopSignals, TheSameWishByTwoRoadsCountsOnce) {
  int status = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const Stopwatch watch;
    status = in_child([] {
      const StopSignals signals;
      ::raise(SIGUSR1);
      ::raise(SIGTERM);
      if (StopSignals::received() != SIGUSR1) ::_exit(9);
    });
    // A child that the machine has stopped between the two signals shows nothing.
    if (status == 0 || watch.seconds() < kOneWishSeconds) break;
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(StopSignals, ASecondOneEndsTheProcess) {
  const int status = in_child([] {
    const StopSignals signals;
    ::raise(SIGUSR1);
    std::this_thread::sleep_for(kLater);
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM) << status;
}

TEST(StopSignals, NoneCountsOnTheWayOut) {
  const int status = in_child([] {
    const StopSignals signals;
    ::raise(SIGUSR1);
    StopSignals::ignore();
    std::this_thread::sleep_for(kLater);
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(StopSignals, GivesTheHandlersBack) {
  const int status = in_child([] {
    { const StopSignals signals; }
    ::raise(SIGTERM);
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
}

TEST(StopSignals, HaveNames) {
  EXPECT_EQ(signal_name(SIGTERM), "SIGTERM");
  EXPECT_EQ(signal_name(SIGUSR1), "SIGUSR1");
  EXPECT_EQ(signal_name(999), "signal 999");
}

}  // namespace
}  // namespace longhaul
