#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "watchdog/watch.h"

namespace longhaul {
namespace {

constexpr int kConnectMilliseconds = 2000;
constexpr int kRetryMilliseconds = 50;
constexpr double kConnectPause = 5.0;  // seconds between rounds over all addresses
// The lowest rank that misses rank 0 speaks; the others find its record, or are ended before.
constexpr double kSecondsBetweenRanks = 0.3;
constexpr int kMostSteps = 10;
// Rank 0 has something to say before mpirun sees the first rank end.
constexpr std::chrono::milliseconds kForwardingTime{300};

/// Every other rank: reports to rank 0.
class OtherRankWatch final : public Watch {
 public:
  OtherRankWatch(Coordinator& coordinator, const HangLimits& limits, std::string command,
                 const Log& log)
      : Watch(coordinator, limits, std::move(command), log) {
    coordinator.run_collectively([] {});  // rank 0 opens its port
    const std::string text = coordinator.broadcast("", 0);
    LONGHAUL_CHECK(text.size() > token_.size(), "{} bytes from rank 0", text.size());
    std::copy_n(text.begin(), token_.size(), token_.begin());
    std::size_t begin = token_.size();
    std::vector<std::string> words;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find(' ', begin), text.size());
      words.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    port_ = std::stoi(words.front());
    if (places_[0].host == coordinator.host()) addresses_ = {"127.0.0.1", "::1"};
    addresses_.insert(addresses_.end(), words.begin() + 1, words.end());
    start();
  }
  ~OtherRankWatch() override { stop(); }

 private:
  /// Tries one address after the other, one at a call.
  void connect() {
    if (socket_.open() || first_.link() == RankView::Link::finished || clock() < next_try_) return;
    socket_ = HeartbeatSocket::connect(addresses_[address_], port_, kConnectMilliseconds);
    answered_ = false;
    socket_.send(heartbeat(Heartbeat::Kind::beat));
    if (!socket_.open()) try_next();
  }

  void try_next() {
    address_ = (address_ + 1) % addresses_.size();
    if (address_ == 0) next_try_ = clock() + kConnectPause;
  }

  void wait_and_receive(int milliseconds) override {
    if (!addresses_.empty()) connect();
    std::vector<pollfd> descriptors{wake_call()};
    if (socket_.open()) descriptors.push_back({socket_.file(), POLLIN, 0});
    const bool trying = !socket_.open() && clock() >= next_try_;
    ::poll(descriptors.data(), descriptors.size(),
           trying ? std::min(milliseconds, kRetryMilliseconds) : milliseconds);
    if (!socket_.open()) return;
    while (const std::optional<Heartbeat> heartbeat = socket_.receive()) {
      if (heartbeat->token != token_ || heartbeat->rank != 0) {
        socket_.close();
        break;
      }
      answered_ = true;
      first_.note(heartbeat->progress, clock());
      if (heartbeat->kind == Heartbeat::Kind::bye) {
        first_.set_link(RankView::Link::finished, clock());
      }
      if (heartbeat->kind == Heartbeat::Kind::abort) {
        std::this_thread::sleep_for(kForwardingTime);  // rank 0 has something to say
        ::_exit(kExitFailure);
      }
    }
    if (socket_.open()) return;
    if (!answered_) return try_next();  // somebody else listens there
    if (first_.link() == RankView::Link::open) first_.set_link(RankView::Link::lost, clock());
  }

  void beat() override {
    own_.note(record_.read(), clock());
    socket_.send(heartbeat(Heartbeat::Kind::beat));
    RankView own = own_.view(clock());
    const RankView first = first_.view(clock());
    const double wait_for_lower_ranks = kSecondsBetweenRanks * std::min(rank_ - 1, kMostSteps);
    own.idle_seconds -= wait_for_lower_ranks;
    if (!first_rank_is_gone(own, first, limits_)) return;
    std::vector<RankView> views(places_.size());
    views[0] = first;
    views[static_cast<std::size_t>(rank_)] = own;
    Hang hang;
    hang.waiting = rank_;
    hang.waited_seconds = own_.view(clock()).idle_seconds;
    if (first.link != RankView::Link::never) hang.missing = {0};
    hang.lost = first.link == RankView::Link::lost;
    end_job(hang, views);
  }

  void finish() override { socket_.send(heartbeat(Heartbeat::Kind::bye)); }

  int port_ = 0;
  std::vector<std::string> addresses_;
  std::size_t address_ = 0;
  double next_try_ = 0.0;
  HeartbeatSocket socket_;
  bool answered_ = false;  // rank 0 has been heard on this connection
  Observation first_;      // rank 0
  Observation own_;
};

}  // namespace

std::unique_ptr<Watch> make_other_rank_watch(Coordinator& coordinator, const HangLimits& limits,
                                             std::string command, const Log& log) {
  return std::make_unique<OtherRankWatch>(coordinator, limits, std::move(command), log);
}

}  // namespace longhaul
