#include "bench/timer.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace longhaul::bench {
namespace {

// A sample this long hides the half microsecond that events resolve and the gap that they make.
constexpr double kSampleSeconds = 200e-6;
constexpr int kMostCalls = 16;  // of a sample
constexpr int kLeastSamples = 5;
constexpr int kMostSamples = 100;

int clamped(double value, int least, int most) {
  return static_cast<int>(std::clamp(value, static_cast<double>(least), static_cast<double>(most)));
}

}  // namespace

Timer::Timer(Device& device, double seconds, Agree agree)
    : device_(device), seconds_(seconds), agree_(std::move(agree)) {
  if (!agree_) agree_ = [](double mine) { return mine; };
}

Event Timer::event(std::size_t index) {
  while (events_.size() <= index) events_.push_back(device_.create_event());
  return events_[index];
}

Timing Timer::measure(int sets, const Call& call, const Restore& restore) {
  LONGHAUL_CHECK(sets >= 1, "{} sets of operands", sets);
  const Stream stream = device_.compute_stream();
  int next = 0;
  const auto issue = [&](int calls, bool timed, std::size_t sample) {
    if (timed) device_.record(event(2 * sample), stream);
    for (int i = 0; i < calls; ++i) call((next + i) % sets);
    if (timed) device_.record(event(2 * sample + 1), stream);
    for (int i = 0; restore.set && i < std::min(calls, sets); ++i) restore.set((next + i) % sets);
    next = (next + calls) % sets;
  };

  issue(1, false, 0);  // what happens once: libraries load, algorithms are chosen
  issue(1, true, 0);
  device_.synchronize(stream);
  const double estimate = agree_(std::max(device_.seconds_between(event(0), event(1)), 1e-7));
  int calls = clamped(std::ceil(kSampleSeconds / estimate), 1, kMostCalls);
  if (restore.set) calls = std::min(calls, std::max(1, restore.after_calls));
  const int samples = clamped(seconds_ / (estimate * calls), kLeastSamples, kMostSamples);

  issue(calls, false, 0);
  for (int i = 0; i < samples; ++i) issue(calls, true, static_cast<std::size_t>(i));
  device_.synchronize(stream);
  std::vector<double> seconds;
  for (std::size_t i = 0; i < static_cast<std::size_t>(samples); ++i) {
    seconds.push_back(device_.seconds_between(event(2 * i), event(2 * i + 1)) / calls);
  }
  std::sort(seconds.begin(), seconds.end());
  const std::size_t middle = seconds.size() / 2;
  const double median =
      seconds.size() % 2 == 1 ? seconds[middle] : 0.5 * (seconds[middle - 1] + seconds[middle]);
  return {median, seconds.front()};
}

}  // namespace longhaul::bench
