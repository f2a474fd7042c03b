#include "core/in_parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace longhaul {

void in_parallel(std::int64_t count, int threads,
                 const std::function<void(int thread, std::int64_t i)>& work) {
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(count));
  std::atomic<std::int64_t> next = 0;
  const auto run = [&](int thread) {
    for (std::int64_t i = next++; i < count; i = next++) {
      try {
        work(thread, i);
      } catch (...) {
        failures[static_cast<std::size_t>(i)] = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::jthread> others;
  for (int thread = 1; thread < std::min<std::int64_t>(threads, count); ++thread) {
    others.emplace_back(run, thread);
  }
  run(0);
  others.clear();  // joins
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace longhaul
