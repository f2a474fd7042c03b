#include "comm/watchdog.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <future>
#include <mutex>
#include <thread>

#include "comm/heartbeat_socket.h"
#include "core/error.h"
#include "core/stop_signals.h"

namespace longhaul {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBeatInterval{500};
// A longer gap means that this process did not run: it says nothing about the others.
constexpr double kLongestTick = 2.0;
constexpr int kConnectMilliseconds = 2000;
constexpr double kConnectPause = 5.0;  // seconds between rounds over all addresses
// A connection that broke is made again within this time when the process behind it lives.
constexpr double kReconnectSeconds = 0.6;
constexpr double kUnreachableSeconds = 20.0;
// The lowest rank that misses rank 0 speaks; the others find its record, or are ended before.
constexpr double kSecondsBetweenRanks = 0.3;
constexpr int kMostSteps = 10;
constexpr std::chrono::seconds kDiskPatience{5};
// What mpirun needs to pass a last message on before it is told to end everything.
constexpr std::chrono::milliseconds kForwardingTime{300};

std::vector<RankPlace> exchange_places(Coordinator& coordinator) {
  std::vector<RankPlace> places;
  for (const std::string& text :
       coordinator.all_gather(fmt::format("{} {}", ::getpid(), coordinator.host()))) {
    const std::size_t space = text.find(' ');
    places.push_back({text.substr(space + 1), std::stoll(text.substr(0, space))});
  }
  return places;
}

/// Written with one call: the main thread may hold the locks of stdio for ever.
void say(const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

/// A descriptor for each rank, if the system lets us have them.
void allow_connections(std::size_t ranks) {
  constexpr std::size_t kOthers = 256;  // files and libraries
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= ranks + kOthers) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, ranks + kOthers);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Signals are the main thread's, but for crashes of this one.
void block_signals() {
  sigset_t set;
  ::sigfillset(&set);
  for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigdelset(&set, crash);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

/// What the watchdogs of all ranks have in common: a thread that beats, and a way to end.
class Watchdog::Watch {
 public:
  Watch(Coordinator& coordinator, const HangLimits& limits, std::string command, const Log& log)
      : record_(coordinator.progress()),
        rank_(coordinator.rank()),
        limits_(limits),
        places_(exchange_places(coordinator)),
        log_(log),
        command_(std::move(command)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  virtual ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void start() {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      ::pthread_setname_np(::pthread_self(), "watchdog");  // for top -H and debuggers
      block_signals();
      run(stop);
    });
  }
  void stop() {
    thread_.request_stop();
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
  }
  void set_layout(const Layout& layout) {
    const std::lock_guard lock(mutex_);
    layout_ = layout;
  }
  void set_failure_file(FailureFile* file) {
    const std::lock_guard lock(mutex_);
    failure_file_ = file;
  }

 protected:
  /// Waits for the descriptors, and at most until the next beat is due.
  virtual void wait_and_receive(int milliseconds) = 0;
  /// A beat is due; clock() has moved on.
  virtual void beat() = 0;
  virtual void finish() = 0;
  /// Tells the others that this process ends the job.
  virtual void spread() {}

  [[nodiscard]] double clock() const { return clock_; }
  [[nodiscard]] std::optional<Layout> layout() const {
    const std::lock_guard lock(mutex_);
    return layout_;
  }
  [[nodiscard]] Heartbeat heartbeat(Heartbeat::Kind kind) const {
    return {token_, kind, rank_, record_.read()};
  }
  /// The wake-up call, for poll().
  [[nodiscard]] pollfd wake_call() const { return {wake_.get(), POLLIN, 0}; }

  Publication publish(FailureRecord record) {
    FailureFile* file = nullptr;
    {
      const std::lock_guard lock(mutex_);
      file = failure_file_;
    }
    if (file == nullptr) return Publication::failed;
    // A file system that hangs may be what everyone waits for. The texts live as long as the
    // process does: either publish() returns, or the process ends.
    std::packaged_task<Publication()> task([file, record] { return file->publish(record); });
    std::future<Publication> result = task.get_future();
    std::thread(std::move(task)).detach();
    if (result.wait_for(kDiskPatience) != std::future_status::ready) return Publication::failed;
    return result.get();
  }

  /// Records and says why, and ends the job.
  [[noreturn]] void end_job(const Hang& hang, std::span<const RankView> views) {
    const std::string message = describe(hang, views, places_);
    const std::string remedy = remedy_for(hang, views, places_);
    std::vector<RankOnHost> missing;
    for (const int rank : hang.missing) missing.push_back({rank, place(rank).host});
    FailureRecord record;
    record.kind = hang.lost ? FailureKind::lost : FailureKind::timeout;
    record.rank = hang.waiting;
    record.host = place(hang.waiting).host;
    record.pid = place(hang.waiting).pid;
    record.progress = views[static_cast<std::size_t>(hang.waiting)].progress;
    record.waited_seconds = hang.waited_seconds;
    record.missing = missing;
    record.message = message;
    record.remedy = remedy;
    const Publication published = publish(record);
    // A rank that is gone may have been recorded when it went, without a word to the user.
    if (published != Publication::another_was_first || hang.lost) {
      say(fmt::format("longhaul {}: error: {}; {}\n", command_, message, remedy));
    }
    spread();
    std::this_thread::sleep_for(kForwardingTime);
    ::_exit(kExitFailure);
  }

  [[nodiscard]] const RankPlace& place(int rank) const {
    return places_[static_cast<std::size_t>(rank)];
  }

  const ProgressRecord& record_;
  const int rank_;
  const HangLimits limits_;
  const std::vector<RankPlace> places_;
  const Log& log_;
  HeartbeatToken token_{};

 private:
  void run(const std::stop_token& stop) {
    Clock::time_point last = Clock::now();
    while (!stop.stop_requested()) {
      const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(last + kBeatInterval -
                                                                              Clock::now());
      if (rest.count() > 0) {
        wait_and_receive(static_cast<int>(rest.count()));
        continue;
      }
      wait_and_receive(0);
      const Clock::time_point now = Clock::now();
      clock_ += std::min(std::chrono::duration<double>(now - last).count(), kLongestTick);
      last = now;
      beat();
    }
    finish();
  }

  const std::string command_;
  const FileDescriptor wake_;
  double clock_ = 0.0;        // seconds that this thread has lived through
  mutable std::mutex mutex_;  // guards what follows
  std::optional<Layout> layout_;
  FailureFile* failure_file_ = nullptr;
  std::jthread thread_;
};

namespace {

/// Keeps a RankView up to date.
class Observation {
 public:
  void note(const ProgressReport& progress, double clock) {
    if (view_.link == RankView::Link::never || progress.events != view_.progress.events) {
      changed_ = clock;
    }
    view_.link = RankView::Link::open;
    view_.progress = progress;
    heard_ = clock;
  }
  void set_link(RankView::Link link, double clock) {
    view_.link = link;
    heard_ = clock;
  }
  RankView view(double clock) const {
    RankView view = view_;
    view.idle_seconds = clock - changed_;
    view.silent_seconds = clock - heard_;
    return view;
  }
  [[nodiscard]] RankView::Link link() const { return view_.link; }

 private:
  RankView view_;
  double changed_ = 0.0;
  double heard_ = 0.0;
};

}  // namespace

/// Rank 0: listens, and looks for hangs.
class Watchdog::FirstRank final : public Watchdog::Watch {
 public:
  FirstRank(Coordinator& coordinator, const HangLimits& limits, std::string command, const Log& log)
      : Watch(coordinator, limits, std::move(command), log), ranks_(places_.size()) {
    allow_connections(places_.size());
    coordinator.together([&] { listener_.emplace(); });
    token_ = random_token();
    std::string text(token_.data(), token_.size());
    text += fmt::format("{}", listener_->port());
    for (const std::string& address : own_addresses()) text += " " + address;
    coordinator.broadcast(std::move(text), 0);
    start();
  }
  ~FirstRank() override { stop(); }

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
    const std::optional<Layout> layout = this->layout();
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
          "again "
          "to continue from the newest checkpoint";
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

/// Every other rank: reports to rank 0.
class Watchdog::OtherRank final : public Watchdog::Watch {
 public:
  OtherRank(Coordinator& coordinator, const HangLimits& limits, std::string command, const Log& log)
      : Watch(coordinator, limits, std::move(command), log) {
    coordinator.together([] {});  // rank 0 opens its port
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
  ~OtherRank() override { stop(); }

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
           trying ? std::min(milliseconds, 50) : milliseconds);
    if (!socket_.open()) return;
    while (const std::optional<Heartbeat> heartbeat = socket_.receive()) {
      if (heartbeat->token != token_ || heartbeat->rank != 0) {
        socket_.close();
        break;
      }
      answered_ = true;
      first_.note(heartbeat->progress, clock());
      if (heartbeat->kind == Heartbeat::Kind::bye)
        first_.set_link(RankView::Link::finished, clock());
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

Watchdog::Watchdog(Coordinator& coordinator, const HangLimits& limits, std::string command,
                   const Log& log) {
  if (!(limits.comm > 0) || coordinator.size() == 1) return;
  if (coordinator.rank() == 0) {
    watch_ = std::make_unique<FirstRank>(coordinator, limits, std::move(command), log);
  } else {
    watch_ = std::make_unique<OtherRank>(coordinator, limits, std::move(command), log);
  }
}

Watchdog::~Watchdog() = default;

void Watchdog::set_layout(const Layout& layout) {
  if (watch_) watch_->set_layout(layout);
}

void Watchdog::set_failure_file(FailureFile* file) {
  if (watch_) watch_->set_failure_file(file);
}

}  // namespace longhaul
