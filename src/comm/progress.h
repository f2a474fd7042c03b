#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "comm/communicator.h"
#include "comm/group.h"

namespace longhaul {

/// How long others may wait for a rank that reports nothing.
enum class Pace : std::uint8_t {
  agreement,  // between the short agreements of start-up: --startup_timeout
  work,       // inside a step, or long work of start-up: --comm_timeout
};

/// Where a rank is. Trivially copyable, without pointers: it travels between ranks.
struct ProgressReport {
  using Name = std::array<char, 48>;  // ends with a zero

  std::uint64_t events = 0;                    // grows with everything that the rank does
  std::int64_t step = 0;                       // under way, counted from 1; 0: none yet
  Name phase{};                                // "forward"
  Name label{};                                // of the newest collective; empty: none yet
  std::int64_t bytes = 0;                      // of it
  double waited_seconds = 0.0;                 // inside the wait under way
  std::array<std::uint64_t, kGroups> calls{};  // collectives begun, by group
  Group group = Group::host;                   // of the newest collective
  Pace pace = Pace::agreement;
  bool waiting =
      false;  // inside a collective or waiting for the device: other ranks may be missing
  /// The newest collective was given to the device: those of all groups may be unfinished there.
  /// The host may then be held up in any call, not only where it waits: the device's queue has an
  /// end.
  bool on_device = false;
};

/// What this process does now, for its watchdog, its failure record and the search for stragglers.
/// One thread (the one that communicates) writes; any thread and signal handlers may read. Costs
/// two readings of the clock for each collective.
class ProgressRecord {
 public:
  ProgressRecord() = default;
  ~ProgressRecord() = default;
  ProgressRecord(const ProgressRecord&) = delete;
  ProgressRecord& operator=(const ProgressRecord&) = delete;

  void begin_step(std::int64_t step);
  /// `phase` must be a literal. Returns the phase before.
  const char* enter_phase(const char* phase);
  /// Returns the pace before.
  Pace set_pace(Pace pace);
  /// Work goes on: a row, a tensor, a file is done. Any thread.
  void beat() { events_.fetch_add(1, std::memory_order_relaxed); }

  /// A collective begins, in which this rank waits for the others until end_wait().
  void begin_collective(Group group, Label label, std::int64_t bytes);
  /// A collective was given to the device.
  void issue_collective(Group group, Label label, std::int64_t bytes);
  /// The host waits for the device since `since_seconds` seconds. `label`: the oldest collective
  /// that is not finished, if that is known.
  void wait_for_device(double since_seconds, Group group, Label label, std::int64_t bytes);
  void end_wait();

  /// Seconds that this process has spent in collectives so far, without those on the device. Only
  /// for the writing thread.
  [[nodiscard]] double waited_seconds() const { return static_cast<double>(waited_) * 1e-9; }
  [[nodiscard]] ProgressReport read() const;

 private:
  static std::int64_t now();
  void note(Group group, Label label, std::int64_t bytes);

  std::atomic<std::uint64_t> events_{0};
  std::atomic<std::int64_t> step_{0};
  std::atomic<const char*> phase_{"start"};
  std::atomic<Label> label_{""};
  std::atomic<std::int64_t> bytes_{0};
  std::array<std::atomic<std::uint64_t>, kGroups> calls_{};
  std::atomic<Group> group_{Group::host};
  std::atomic<Pace> pace_{Pace::agreement};
  std::atomic<std::int64_t> wait_began_{0};  // nanoseconds; 0: does not wait
  std::atomic<bool> on_device_{false};
  std::int64_t waited_ = 0;  // nanoseconds
};

/// A collective in which the calling thread waits, from here to the end of the scope.
class CollectiveScope {
 public:
  /// record null: nobody wants to know.
  CollectiveScope(ProgressRecord* record, Group group, Label label, std::int64_t bytes)
      : record_(record) {
    if (record_ != nullptr) record_->begin_collective(group, label, bytes);
  }
  ~CollectiveScope() {
    if (record_ != nullptr) record_->end_wait();
  }
  CollectiveScope(const CollectiveScope&) = delete;
  CollectiveScope& operator=(const CollectiveScope&) = delete;

 private:
  ProgressRecord* record_;
};

/// A phase, and the pace in it, from here to the end of the scope.
class PhaseScope {
 public:
  PhaseScope(ProgressRecord& record, const char* phase, Pace pace)
      : record_(record), phase_(record.enter_phase(phase)), pace_(record.set_pace(pace)) {}
  ~PhaseScope() {
    record_.enter_phase(phase_);
    record_.set_pace(pace_);
  }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  ProgressRecord& record_;
  const char* phase_;
  Pace pace_;
};

}  // namespace longhaul
