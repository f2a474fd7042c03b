#include <sys/resource.h>

#include <algorithm>

#include "core/stop_signals.h"
#include "watchdog/watch.h"

namespace longhaul {
namespace {

// A connection that broke is made again within this time when the process behind it lives.
constexpr double kReconnectSeconds = 0.6;
constexpr double kUnreachableSeconds = 20.0;

/// A descriptor for each rank, if the system lets us have them.
void allow_connections(std::size_t ranks) {
  constexpr std::size_t kOthers = 256;  // files and libraries
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= ranks + kOthers) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, ranks + kOthers);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Rank 0: listens, and looks for hangs.
class FirstRankWatch final : public Watch {
 public:
  FirstRankWatch(Coordinator& coordinator, const HangLimits& limits, std::string command,
                 const Log& log)
      : Watch(coordinator, limits, std::move(command), log), ranks_(places_.size()) {
    allow_connections(places_.size());
    coordinator.run_collectively([&] { listener_.emplace(); });
    token_ = random_token();
    std::string text(token_.data(), token_.size());
    text += fmt::format("{}", listener_->port());
    for (const std::string& address : own_addresses()) text += " " + address;
    coordinator.broadcast(std::move(text), 0);
    start();
  }
  ~FirstRankWatch() override { stop(); }

 private:
  struct Peer {
    HeartbeatSocket socket;
    int rank = -1;  // not known before its first heartbeat
  };

  void wait_and_receive(int milliseconds) override {
    std::vector<pollfd> descriptors{wake_call(), {listener_->file(), POLLIN, 0}};
    for (const Peer& peer : peers_) descriptors.push_back({peer.socket.file(), POLLIN, 0});
    ::poll(descriptors.data(), descriptors.size(), milliseconds);
    for (Peer& peer : peers_) receive(peer);
    std::erase_if(peers_, [](const Peer& peer) { return !peer.socket.open(); });
    for (;;) {
      HeartbeatSocket socket = listener_->accept();
      if (!socket.open()) break;
      peers_.push_back({std::move(socket), -1});
    }
  }

  void receive(Peer& peer) {
    while (const std::optional<Heartbeat> heartbeat = peer.socket.receive()) {
      const bool known = heartbeat->rank > 0 && heartbeat->rank < static_cast<int>(ranks_.size());
      if (heartbeat->token != token_ || !known) {
        peer.socket.close();  // not of this job
        return;
      }
      peer.rank = heartbeat->rank;
      Observation& rank = ranks_[static_cast<std::size_t>(peer.rank)];
      rank.note(heartbeat->progress, clock());
      if (heartbeat->kind == Heartbeat::Kind::bye) rank.set_link(RankView::Link::finished, clock());
    }
    if (peer.socket.open() || peer.rank < 0) return;
    const bool again = std::any_of(peers_.begin(), peers_.end(), [&](const Peer& other) {
      return &other != &peer && other.rank == peer.rank && other.socket.open();
    });
    Observation& rank = ranks_[static_cast<std::size_t>(peer.rank)];
    if (!again && rank.link() == RankView::Link::open) {
      rank.set_link(RankView::Link::lost, clock());
      asked_to_stop_ = StopSignals::received() != 0;
    }
  }

  void beat() override {
    ranks_[0].note(record_.read(), clock());
    const Heartbeat mine = heartbeat(Heartbeat::Kind::beat);
    for (Peer& peer : peers_) {
      if (peer.rank >= 0) peer.socket.send(mine);
    }
    std::vector<RankView> views;
    for (const Observation& rank : ranks_) views.push_back(rank.view(clock()));
    record_lost(views);
    tell_unreachable(views);
    const std::optional<ParallelLayout> layout = this->layout();
    if (const std::optional<Hang> hang = find_hang(views, layout, limits_)) end_job(*hang, views);
  }

  /// mpirun ends the job soon after a process was killed; the record says more than it does.
  void record_lost(std::span<const RankView> views) {
    // When everyone is being ended, the first to go is no culprit.
    if (lost_recorded_ || asked_to_stop_) return;
    for (std::size_t rank = 0; rank < views.size(); ++rank) {
      const RankView& view = views[rank];
      if (view.link != RankView::Link::lost || view.silent_seconds < kReconnectSeconds) continue;
      lost_recorded_ = true;
      lost_message_ = fmt::format(
          "rank {} on {} (process {}) ended without a word in {}: it was killed, or its host went "
          "down",
          rank, places_[rank].host, places_[rank].pid, where(view.progress));
      FailureRecord record;
      record.kind = FailureKind::lost;
      record.rank = static_cast<int>(rank);
      record.host = places_[rank].host;
      record.pid = places_[rank].pid;
      record.progress = view.progress;
      record.progress.waiting = false;
      record.message = lost_message_;
      record.remedy =
          "look for its end in that host's log (out of memory? dmesg); start the same command "
          "again to continue from the newest checkpoint";
      publish(record);
      return;
    }
  }

  void tell_unreachable(std::span<const RankView> views) {
    if (unreachable_told_ || clock() < kUnreachableSeconds) return;
    unreachable_told_ = true;
    std::vector<std::size_t> ranks;
    for (std::size_t rank = 0; rank < views.size(); ++rank) {
      if (views[rank].link == RankView::Link::never) ranks.push_back(rank);
    }
    if (ranks.empty()) return;
    log_.warning(
        "{} of {} ranks cannot reach the watchdog on {} (TCP port {}), the first is rank {} on {}: "
        "if the run hangs, that is noticed later and nobody can say who is missing; let TCP "
        "connections between the hosts through",
        ranks.size(), views.size(), places_[0].host, listener_->port(), ranks.front(),
        places_[ranks.front()].host);
  }

  void spread() override {
    for (Peer& peer : peers_) peer.socket.send(heartbeat(Heartbeat::Kind::abort));
  }
  void finish() override {
    for (Peer& peer : peers_) peer.socket.send(heartbeat(Heartbeat::Kind::bye));
  }

  std::optional<HeartbeatListener> listener_;
  std::vector<Peer> peers_;
  std::vector<Observation> ranks_;
  std::string lost_message_;  // lives as long as its record
  bool lost_recorded_ = false;
  bool asked_to_stop_ = false;
  bool unreachable_told_ = false;
};

}  // namespace

std::unique_ptr<Watch> make_first_rank_watch(Coordinator& coordinator, const HangLimits& limits,
                                             std::string command, const Log& log) {
  return std::make_unique<FirstRankWatch>(coordinator, limits, std::move(command), log);
}

}  // namespace longhaul
