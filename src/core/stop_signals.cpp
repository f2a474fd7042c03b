#include "core/stop_signals.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace longhaul {
namespace {

constexpr std::array kSignals{SIGTERM, SIGUSR1, SIGINT};
constexpr std::int64_t kOneWish = 200'000'000;  // nanoseconds
constexpr int kSignalExit = 128;                // as shells count

// A handler gets nothing but a number: what it works with can only be here.
std::atomic<int> first_signal{0};
std::atomic<std::int64_t> first_time{0};
std::array<struct sigaction, kSignals.size()> former{};

std::int64_t monotonic_nanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void note_signal(int signal) {
  const std::int64_t now = monotonic_nanoseconds();
  int none = 0;
  if (first_signal.compare_exchange_strong(none, signal)) {
    first_time = now;
    return;
  }
  // A second thread may be here before the first has stored its time.
  const std::int64_t before = first_time;
  if (before != 0 && now - before > kOneWish) ::_exit(kSignalExit + signal);
}

}  // namespace

StopSignals::StopSignals() {
  first_signal = 0;
  first_time = 0;
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &action, &former[i]);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &former[i], nullptr);
  }
}

int StopSignals::received() { return first_signal; }

void StopSignals::ignore() {
  for (const int signal : kSignals) ::signal(signal, SIG_IGN);
}

std::string signal_name(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
}

}  // namespace longhaul
