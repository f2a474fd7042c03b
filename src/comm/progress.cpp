#include "comm/progress.h"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace longhaul {
namespace {

/// Used in signal handlers too: nothing here but copying.
void copy_name(const char* from, ProgressReport::Name& to) {
  std::size_t length = 0;
  while (length + 1 < to.size() && from[length] != '\0') ++length;
  std::memcpy(to.data(), from, length);
}

}  // namespace

std::int64_t ProgressRecord::now() {
  timespec time{};  // the clock that signal handlers may read
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void ProgressRecord::begin_step(std::int64_t step) {
  step_.store(step, std::memory_order_relaxed);
  beat();
}

const char* ProgressRecord::enter_phase(const char* phase) {
  beat();
  return phase_.exchange(phase, std::memory_order_relaxed);
}

Pace ProgressRecord::set_pace(Pace pace) { return pace_.exchange(pace, std::memory_order_relaxed); }

void ProgressRecord::note(Group group, Label label, std::int64_t bytes) {
  group_.store(group, std::memory_order_relaxed);
  label_.store(label, std::memory_order_relaxed);
  bytes_.store(bytes, std::memory_order_relaxed);
}

void ProgressRecord::issue_collective(Group group, Label label, std::int64_t bytes) {
  note(group, label, bytes);
  calls_[index_of(group)].fetch_add(1, std::memory_order_relaxed);
  beat();
}

void ProgressRecord::begin_collective(Group group, Label label, std::int64_t bytes) {
  issue_collective(group, label, bytes);
  on_device_.store(false, std::memory_order_relaxed);
  wait_began_.store(now(), std::memory_order_release);
}

void ProgressRecord::wait_for_device(double since_seconds, Group group, Label label,
                                     std::int64_t bytes) {
  note(group, label, bytes);
  on_device_.store(true, std::memory_order_relaxed);
  wait_began_.store(now() - static_cast<std::int64_t>(since_seconds * 1e9),
                    std::memory_order_release);
}

void ProgressRecord::end_wait() {
  const std::int64_t began = wait_began_.exchange(0, std::memory_order_relaxed);
  if (began != 0 && !on_device_.load(std::memory_order_relaxed)) waited_ += now() - began;
  beat();
}

ProgressReport ProgressRecord::read() const {
  ProgressReport progress;
  const std::int64_t began = wait_began_.load(std::memory_order_acquire);
  progress.waiting = began != 0;
  if (began != 0) {
    progress.waited_seconds = static_cast<double>(std::max<std::int64_t>(now() - began, 0)) * 1e-9;
  }
  progress.events = events_.load(std::memory_order_relaxed);
  progress.step = step_.load(std::memory_order_relaxed);
  copy_name(phase_.load(std::memory_order_relaxed), progress.phase);
  copy_name(label_.load(std::memory_order_relaxed), progress.label);
  progress.bytes = bytes_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < progress.calls.size(); ++i) {
    progress.calls[i] = calls_[i].load(std::memory_order_relaxed);
  }
  progress.group = group_.load(std::memory_order_relaxed);
  progress.pace = pace_.load(std::memory_order_relaxed);
  progress.on_device = on_device_.load(std::memory_order_relaxed);
  return progress;
}

}  // namespace longhaul
