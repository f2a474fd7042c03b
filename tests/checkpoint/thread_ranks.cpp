#include "checkpoint/thread_ranks.h"

#include <algorithm>
#include <barrier>
#include <exception>
#include <thread>
#include <vector>

namespace longhaul::test {
namespace {

/// What the threads share: a place for each rank's message, and a barrier before and after reading.
struct World {
  explicit World(int size) : barrier(size), texts(static_cast<std::size_t>(size)) {}
  std::barrier<> barrier;
  std::vector<std::string> texts;
};

class ThreadCoordinator final : public Coordinator {
 public:
  ThreadCoordinator(World& world, int rank) : world_(world), rank_(rank) {}
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(world_.texts.size()); }
  [[nodiscard]] int local_rank() const override { return rank_; }
  [[nodiscard]] int local_size() const override { return size(); }
  [[nodiscard]] const std::string& host() const override { return host_; }

  void barrier() override { world_.barrier.arrive_and_wait(); }
  std::string broadcast(std::string text, int root) override {
    return all_gather(text)[static_cast<std::size_t>(root)];
  }
  std::vector<std::string> gather(const std::string& bytes, int root) override {
    std::vector<std::string> all = all_gather(bytes);
    return rank_ == root ? all : std::vector<std::string>{};
  }
  std::vector<std::string> all_gather(const std::string& bytes) override {
    world_.texts[static_cast<std::size_t>(rank_)] = bytes;
    barrier();
    std::vector<std::string> all = world_.texts;
    barrier();
    return all;
  }
  std::int64_t sum(std::int64_t value) override {
    std::int64_t total = 0;
    for (const std::string& text : all_gather(std::to_string(value))) total += std::stoll(text);
    return total;
  }
  std::int64_t max(std::int64_t value) override {
    std::int64_t most = value;
    for (const std::string& text : all_gather(std::to_string(value))) {
      most = std::max<std::int64_t>(most, std::stoll(text));
    }
    return most;
  }

 private:
  World& world_;
  int rank_;
  std::string host_ = "testhost";
};

}  // namespace

void run_ranks(int ranks, const std::function<void(Coordinator&)>& body) {
  World world(ranks);
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadCoordinator coordinator(world, rank);
      try {
        body(coordinator);
      } catch (...) {
        failures[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace longhaul::test
