#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <stop_token>
#include <thread>

namespace longhaul {

/// Thrown by work that has been asked to stop and does: neither a result nor a failure.
struct WorkStopped {};
void throw_if_stopped(const std::stop_token& stop);

/// One piece of work at a time, on a thread of its own. All methods are for the owning thread; what
/// the work has written is visible to it once state() is no longer `running`.
class BackgroundWork {
 public:
  /// In the order of what a group of ranks must mind most.
  enum class State : std::uint8_t { idle, running, failed };

  BackgroundWork() = default;
  /// As stop(). Work must not use what is destroyed before this object.
  ~BackgroundWork() = default;
  BackgroundWork(const BackgroundWork&) = delete;
  BackgroundWork& operator=(const BackgroundWork&) = delete;

  /// Begins; the work before must be over. Throws std::system_error when there is no thread left.
  void start(std::function<void(const std::stop_token&)> work);
  [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }
  /// Sleeps until the work is over.
  void wait();
  /// Asks the work to stop and waits for it.
  void stop();
  /// Throws what the work threw, if it failed.
  void rethrow_failure() const;

 private:
  std::exception_ptr failure_;
  std::atomic<State> state_{State::idle};
  std::jthread thread_;  // last: it is over before the rest is destroyed
};

}  // namespace longhaul
