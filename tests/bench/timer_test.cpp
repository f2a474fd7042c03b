#include "bench/timer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

#include "compute/backend.h"
#include "core/stopwatch.h"

namespace longhaul::bench {
namespace {

using std::chrono::milliseconds;

TEST(Timer, MeasuresOneCall) {
  Backend backend = make_cpu_backend(1);
  Timer timer(*backend.device, 0.05);
  int calls = 0;
  const Stopwatch watch;
  const Timing timing = timer.measure(1, [&](int) {
    std::this_thread::sleep_for(milliseconds(2));
    ++calls;
  });
  const double all = watch.seconds();
  EXPECT_GE(timing.best, 0.002);
  EXPECT_GE(timing.median, timing.best);
  // A busy machine oversleeps. But half of the samples, which are one call each after three others,
  // take no less than the median.
  EXPECT_LE(timing.median * (calls - 3) / 2, all);
}

TEST(Timer, SetsTakeTurns) {
  Backend backend = make_cpu_backend(1);
  Timer timer(*backend.device, 0.001);
  std::vector<int> calls;
  (void)timer.measure(3, [&](int set) { calls.push_back(set); });
  for (std::size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i], static_cast<int>(i % 3));
  EXPECT_GE(calls.size(), 2U + 6U);
}

TEST(Timer, RestoringDoesNotCountAndComesBeforeTheNextUse) {
  Backend backend = make_cpu_backend(1);
  Timer timer(*backend.device, 0.02);
  std::set<int> spoilt;
  const Timing timing = timer.measure(3,
                                      [&](int set) {
                                        EXPECT_TRUE(spoilt.insert(set).second)
                                            << "set " << set << " is used unrestored";
                                      },
                                      {[&](int set) {
                                         spoilt.erase(set);
                                         std::this_thread::sleep_for(milliseconds(2));
                                       },
                                       2});
  EXPECT_LT(timing.best, 0.002);  // every sample is followed by restoring two sets
  EXPECT_TRUE(spoilt.empty());
}

TEST(Timer, RanksAgreeOnRepetitions) {
  Backend backend = make_cpu_backend(1);
  int calls = 0;
  // Another rank takes a second a call, so this one stops at the least number of samples too.
  Timer timer(*backend.device, 0.01, [](double) { return 1.0; });
  (void)timer.measure(1, [&](int) { ++calls; });
  EXPECT_EQ(calls, 2 + 1 + 5);
}

}  // namespace
}  // namespace longhaul::bench
