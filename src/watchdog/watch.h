#pragma once

#include <poll.h>

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "comm/coordinator.h"
#include "core/log.h"
#include "watchdog/failure_file.h"
#include "watchdog/hang.h"
#include "watchdog/heartbeat_socket.h"

namespace longhaul {

/// What the watchdogs of all ranks have in common: a thread that beats, and a way to end the job.
class Watch {
 public:
  /// Collective.
  Watch(Coordinator& coordinator, const HangLimits& limits, std::string command, const Log& log);
  virtual ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void set_layout(const ParallelLayout& layout);
  void set_failure_file(FailureFile* file);

 protected:
  /// Starts the thread: at the end of a constructor.
  void start();
  /// Ends it: at the begin of a destructor.
  void stop();

  // Called by the thread.
  /// Waits for connections, messages and the wake-up call, at most for so long.
  virtual void wait_and_receive(int milliseconds) = 0;
  /// A beat is due; clock() has moved on.
  virtual void beat() = 0;
  /// The thread ends because the run is over.
  virtual void finish() = 0;
  /// Tells the others that this process ends the job.
  virtual void spread() {}

  /// Seconds that the thread has lived through; stands still while the process is stopped.
  [[nodiscard]] double clock() const { return clock_; }
  [[nodiscard]] std::optional<ParallelLayout> layout() const;
  [[nodiscard]] Heartbeat heartbeat(Heartbeat::Kind kind) const;
  /// The wake-up call, for poll().
  [[nodiscard]] pollfd wake_call() const { return {wake_.get(), POLLIN, 0}; }
  [[nodiscard]] const RankPlace& place(int rank) const {
    return places_[static_cast<std::size_t>(rank)];
  }
  /// The texts must live as long as this object.
  Publication publish(const FailureRecord& record);
  /// Records and says why, and ends the job.
  [[noreturn]] void end_job(const Hang& hang, std::span<const RankView> views);

  const ProgressRecord& record_;
  const int rank_;
  const HangLimits limits_;
  const std::vector<RankPlace> places_;
  const Log& log_;
  HeartbeatToken token_{};

 private:
  void run(const std::stop_token& stop);

  const std::string command_;
  const FileDescriptor wake_;
  double clock_ = 0.0;
  mutable std::mutex mutex_;  // guards what follows
  std::optional<ParallelLayout> layout_;
  FailureFile* failure_file_ = nullptr;
  std::jthread thread_;
};

/// Keeps a RankView up to date. Times are a Watch's clock().
class Observation {
 public:
  void note(const ProgressReport& progress, double clock);
  void set_link(RankView::Link link, double clock);
  [[nodiscard]] RankView view(double clock) const;
  [[nodiscard]] RankView::Link link() const { return view_.link; }

 private:
  RankView view_;
  double changed_ = 0.0;
  double heard_ = 0.0;
};

/// Rank 0's: listens, and looks for hangs. Collective, with make_other_rank_watch() elsewhere.
std::unique_ptr<Watch> make_first_rank_watch(Coordinator& coordinator, const HangLimits& limits,
                                             std::string command, const Log& log);
/// Every other rank's: reports to rank 0, and watches it.
std::unique_ptr<Watch> make_other_rank_watch(Coordinator& coordinator, const HangLimits& limits,
                                             std::string command, const Log& log);

}  // namespace longhaul
