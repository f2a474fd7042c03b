#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "comm/progress.h"
#include "core/error.h"

namespace longhaul {

/// Thrown on every rank when work that all ranks do together failed on at least one of them. Only
/// the speaker prints it, so that the user reads one message.
class CollectiveError : public std::runtime_error {
 public:
  CollectiveError(const std::string& text, bool speaker, int exit_code)
      : std::runtime_error(text), speaker_(speaker), exit_code_(exit_code) {}
  [[nodiscard]] bool speaker() const { return speaker_; }
  [[nodiscard]] int exit_code() const { return exit_code_; }

 private:
  bool speaker_;
  int exit_code_;
};

/// Host-side coordination of all ranks: small messages, agreement, common failure. Tensors travel
/// over Communicator instead. Every method is collective: all ranks call it in the same order.
class Coordinator {
 public:
  virtual ~Coordinator() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  /// This rank's number among the ranks on its host, and how many those are.
  [[nodiscard]] virtual int local_rank() const = 0;
  [[nodiscard]] virtual int local_size() const = 0;
  [[nodiscard]] virtual const std::string& host() const = 0;

  virtual void barrier() = 0;
  /// `text` of `root` on every rank. Any length below 2 GiB.
  virtual std::string broadcast(std::string text, int root) = 0;
  /// Everyone's bytes at `root`, in rank order; an empty vector elsewhere.
  virtual std::vector<std::string> gather(const std::string& bytes, int root) = 0;
  /// Everyone's bytes everywhere, in rank order.
  virtual std::vector<std::string> all_gather(const std::string& bytes) = 0;
  virtual std::int64_t sum(std::int64_t value) = 0;
  virtual std::int64_t max(std::int64_t value) = 0;

  /// Element-wise sums over all ranks, added in rank order: the same bits everywhere and every
  /// time.
  std::vector<double> sum(const std::vector<double>& values);

  /// Runs `work` on every rank. When it threw anywhere, every rank throws CollectiveError with the
  /// text of the lowest failing rank; that rank is the speaker. `work` may itself be collective,
  /// as long as a rank that throws does not leave others inside a call: then throw on all of them.
  void run_collectively(const std::function<void()>& work);

  /// From now on run_collectively() is also where a wish to stop is agreed on: when signal() is not
  /// 0 on any rank and nothing failed, every rank throws CollectiveError with kExitStopped and
  /// "stopped by SIGTERM <text>". An empty function: never. The same on all ranks.
  void stop_at_agreement(std::function<int()> signal, std::string text);

  /// What this process does now. Not collective.
  [[nodiscard]] ProgressRecord& progress() { return progress_; }

 private:
  ProgressRecord progress_;
  std::function<int()> stop_signal_;
  std::string stop_text_;
};

/// One process on its own, without MPI.
std::unique_ptr<Coordinator> make_solo_coordinator();

}  // namespace longhaul
