#include "core/clock.h"

#include <gtest/gtest.h>

namespace longhaul {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

system_clock::time_point at(seconds since_1970, nanoseconds rest) {
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(since_1970 + rest));
}

TEST(Clock, WritesUtc) {
  const auto time = at(seconds(1748781296), nanoseconds(7000));
  EXPECT_EQ(utc_text(time, TimeDigits::seconds), "2025-06-01T12:34:56Z");
  EXPECT_EQ(utc_text(time, TimeDigits::nanoseconds), "2025-06-01T12:34:56.000007000Z");
}

TEST(Clock, TextSortsByTime) {
  const auto text = [](int rest) {
    return utc_text(at(seconds(1748781296), nanoseconds(rest)), TimeDigits::nanoseconds);
  };
  EXPECT_LT(text(9'000), text(10'000));
  EXPECT_LT(text(999'999'000), text(1'000'000'000));
}

TEST(Clock, NowLiesBetweenTwoReadings) {
  const auto seconds_of = [](system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
  };
  const auto before = system_clock::now();
  const std::string now = utc_now(TimeDigits::nanoseconds);
  const double seconds_now = unix_time();
  const auto after = system_clock::now();
  EXPECT_LE(utc_text(before, TimeDigits::nanoseconds), now);
  EXPECT_LE(now, utc_text(after, TimeDigits::nanoseconds));
  EXPECT_LE(seconds_of(before), seconds_now);
  EXPECT_LE(seconds_now, seconds_of(after));
}

}  // namespace
}  // namespace longhaul
