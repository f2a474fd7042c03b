#include "comm/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/stopwatch.h"

namespace longhaul {
namespace {

TEST(ProgressRecord, SaysWhereTheProcessIs) {
  ProgressRecord record;
  record.begin_step(7);
  EXPECT_STREQ(record.enter_phase("forward"), "start");
  ProgressReport report = record.read();
  EXPECT_EQ(report.step, 7);
  EXPECT_STREQ(report.phase.data(), "forward");
  EXPECT_FALSE(report.waiting);
  {
    const CollectiveScope scope(&record, Group::cp, "attention.gather_kv", 4096);
    report = record.read();
    EXPECT_TRUE(report.waiting);
    EXPECT_FALSE(report.on_device);
    EXPECT_STREQ(report.label.data(), "attention.gather_kv");
    EXPECT_EQ(report.group, Group::cp);
    EXPECT_EQ(report.bytes, 4096);
    EXPECT_EQ(report.calls[index_of(Group::cp)], 1U);
    EXPECT_EQ(report.calls[index_of(Group::tp)], 0U);
  }
  EXPECT_FALSE(record.read().waiting);
  const CollectiveScope nobody(nullptr, Group::cp, "unheard", 1);
  EXPECT_STREQ(record.read().label.data(), "attention.gather_kv");
}

TEST(ProgressRecord, EverythingIsASignOfLife) {
  ProgressRecord record;
  std::uint64_t before = record.read().events;
  const auto moved = [&] { return std::exchange(before, record.read().events) < before; };
  EXPECT_FALSE(moved());
  record.begin_step(1);
  EXPECT_TRUE(moved());
  record.enter_phase("data");
  EXPECT_TRUE(moved());
  std::thread([&] { record.beat(); }).join();
  EXPECT_TRUE(moved());
  record.begin_collective(Group::host, "host.max", 8);
  EXPECT_TRUE(moved());
  EXPECT_FALSE(moved());
  record.end_wait();
  EXPECT_TRUE(moved());
  record.issue_collective(Group::tp, "x", 8);
  EXPECT_TRUE(moved());
  record.wait_for_device(1.0, Group::tp, "x", 8);  // a wait is none
  EXPECT_FALSE(moved());
}

TEST(ProgressRecord, MeasuresWaiting) {
  constexpr std::chrono::milliseconds kWait{30};
  ProgressRecord record;
  const Stopwatch watch;
  {
    const CollectiveScope scope(&record, Group::tp, "x", 8);
    std::this_thread::sleep_for(kWait);
    EXPECT_GE(record.read().waited_seconds, 0.03);
  }
  const double most = watch.seconds();
  std::this_thread::sleep_for(kWait);
  const double before = record.waited_seconds();
  EXPECT_GE(before, 0.03);
  EXPECT_LE(before, most);
  // What the device does meanwhile is no waiting for others.
  record.wait_for_device(5.0, Group::tp, "x", 8);
  EXPECT_TRUE(record.read().waiting);
  EXPECT_TRUE(record.read().on_device);
  EXPECT_GE(record.read().waited_seconds, 5.0);
  record.end_wait();
  EXPECT_EQ(record.waited_seconds(), before);
}

TEST(ProgressRecord, PhasesNest) {
  ProgressRecord record;
  EXPECT_EQ(record.read().pace, Pace::agreement);
  {
    const PhaseScope outer(record, "prepare", Pace::work);
    {
      const PhaseScope inner(record, "checkpoint", Pace::agreement);
      EXPECT_STREQ(record.read().phase.data(), "checkpoint");
      EXPECT_EQ(record.read().pace, Pace::agreement);
    }
    EXPECT_STREQ(record.read().phase.data(), "prepare");
    EXPECT_EQ(record.read().pace, Pace::work);
  }
  EXPECT_STREQ(record.read().phase.data(), "start");
  EXPECT_EQ(record.read().pace, Pace::agreement);
}

TEST(ProgressRecord, CutsLongNames) {
  ProgressRecord record;
  record.enter_phase("a phase with a name that is longer than anybody would ever want to write it");
  EXPECT_STREQ(record.read().phase.data(), "a phase with a name that is longer than anybody");
}

}  // namespace
}  // namespace longhaul
