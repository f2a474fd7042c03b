#include "checkpoint/background_work.h"

#include <pthread.h>

#include <utility>

#include "core/error.h"

namespace longhaul {

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw WorkStopped();
}

void BackgroundWork::start(std::function<void(const std::stop_token&)> work) {
  LONGHAUL_CHECK(state() != State::running, "the work before is not over");
  wait();
  failure_ = nullptr;
  state_.store(State::running, std::memory_order_relaxed);
  const auto body = [this, work = std::move(work)](const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "checkpoint");  // for top -H and debuggers
    State end = State::idle;
    try {
      work(stop);
    } catch (const WorkStopped&) {
    } catch (...) {
      failure_ = std::current_exception();
      end = State::failed;
    }
    state_.store(end, std::memory_order_release);
  };
  try {
    thread_ = std::jthread(body);
  } catch (...) {
    state_.store(State::idle, std::memory_order_relaxed);
    throw;
  }
}

void BackgroundWork::wait() {
  if (thread_.joinable()) thread_.join();
}

void BackgroundWork::stop() {
  thread_.request_stop();
  wait();
}

void BackgroundWork::rethrow_failure() const {
  if (state() == State::failed) std::rethrow_exception(failure_);
}

}  // namespace longhaul
