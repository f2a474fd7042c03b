#include "watchdog/watch.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <future>

#include "core/error.h"

namespace longhaul {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBeatInterval{500};
// A longer gap means that this process did not run: it says nothing about the others.
constexpr double kLongestTick = 2.0;
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

/// Written with one call: the main thread may hold the locks of stdio for ever. Not at all when
/// nobody reads.
void say(const std::string& text) {
  constexpr int kMilliseconds = 1000;
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&out, 1, kMilliseconds) != 1) return;
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

/// Signals are the main thread's, but for crashes of this one.
void block_signals() {
  sigset_t set;
  ::sigfillset(&set);
  for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigdelset(&set, crash);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

Watch::Watch(Coordinator& coordinator, const HangLimits& limits, std::string command,
             const Log& log)
    : record_(coordinator.progress()),
      rank_(coordinator.rank()),
      limits_(limits),
      places_(exchange_places(coordinator)),
      log_(log),
      command_(std::move(command)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Watch::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "watchdog");  // for top -H and debuggers
    block_signals();
    run(stop);
  });
}

void Watch::stop() {
  thread_.request_stop();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void Watch::set_layout(const ParallelLayout& layout) {
  const std::lock_guard lock(mutex_);
  layout_ = layout;
}

void Watch::set_failure_file(FailureFile* file) {
  const std::lock_guard lock(mutex_);
  failure_file_ = file;
}

std::optional<ParallelLayout> Watch::layout() const {
  const std::lock_guard lock(mutex_);
  return layout_;
}

Heartbeat Watch::heartbeat(Heartbeat::Kind kind) const {
  return {token_, kind, rank_, record_.read()};
}

Publication Watch::publish(const FailureRecord& record) {
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

void Watch::end_job(const Hang& hang, std::span<const RankView> views) {
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
  record.progress.waiting = true;  // as was found, even if it does not know
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

void Watch::run(const std::stop_token& stop) {
  Clock::time_point last = Clock::now();
  while (!stop.stop_requested()) {
    const auto rest =
        std::chrono::duration_cast<std::chrono::milliseconds>(last + kBeatInterval - Clock::now());
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

void Observation::note(const ProgressReport& progress, double clock) {
  if (view_.link == RankView::Link::never || progress.events != view_.progress.events) {
    changed_ = clock;
  }
  view_.link = RankView::Link::open;
  view_.progress = progress;
  heard_ = clock;
}

void Observation::set_link(RankView::Link link, double clock) {
  view_.link = link;
  heard_ = clock;
}

RankView Observation::view(double clock) const {
  RankView view = view_;
  view.idle_seconds = clock - changed_;
  view.silent_seconds = clock - heard_;
  return view;
}

}  // namespace longhaul
