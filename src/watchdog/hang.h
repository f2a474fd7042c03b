#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/process_grid.h"
#include "comm/progress.h"

namespace longhaul {

/// What the watchdog of rank 0 knows of a rank.
struct RankView {
  enum class Link : std::uint8_t {
    never,  // it has not reported yet: it cannot reach the watchdog, or has only just started
    open,
    lost,      // its connection ended without a word: the process has ended
    finished,  // it has said that it is done
  };

  Link link = Link::never;
  ProgressReport progress;      // the last report
  double idle_seconds = 0.0;    // since the last report that was unlike the one before
  double silent_seconds = 0.0;  // since the last report; when lost: since the connection ended
};

/// Seconds that ranks may wait.
struct HangLimits {
  double comm = 600.0;     // for a rank that works: --comm_timeout
  double startup = 120.0;  // in an agreement of start-up: --startup_timeout
  double silence = 20.0;   // for a rank whose watchdog no longer reports: frozen, or cut off
  double lost = 5.0;       // for a rank whose process has ended
};

/// A wait that will not end.
struct Hang {
  int waiting = -1;  // the rank that has waited longest
  double waited_seconds = 0.0;
  std::vector<int> missing;  // ranks that keep the others waiting; empty: all of them have come
  bool lost = false;         // they have ended, rather than stopped
};

/// World ranks of the group in which `rank` is; every rank for Group::host and Group::world. Before
/// the layout is known there are only those two.
std::vector<int> members(Group group, int rank, int world,
                         const std::optional<ParallelLayout>& layout);

/// Looks for ranks that wait for a rank that does not come. A rank has come to a collective when it
/// has begun as many of its group as the waiting rank. Who waits itself for others is not to blame:
/// those are looked at instead. A rank that works is given its time as long as its reports change;
/// one that has collectives on its device and reports nothing new may be waiting without knowing.
/// `ranks`: all of them, by rank.
std::optional<Hang> find_hang(std::span<const RankView> ranks,
                              const std::optional<ParallelLayout>& layout,
                              const HangLimits& limits);

/// Should a rank other than 0, which is in `own`, give up because rank 0 does not answer, as seen
/// in `first`? It must be waiting itself: a rank that works has no reason to leave. When rank 0
/// could never be reached, a wait as long as a rank may work ends it.
bool first_rank_is_gone(const RankView& own, const RankView& first, const HangLimits& limits);

/// Where a rank's process runs.
struct RankPlace {
  std::string host;
  std::int64_t pid = 0;
};

/// "[rank 1 on b] has waited 12 s in 'attention.gather_kv' (group cp, ...) ...: rank 3 on d has not
/// come: ...": who waits, in what, and for whom.
std::string describe(const Hang& hang, std::span<const RankView> ranks,
                     std::span<const RankPlace> places);
/// "step 3, phase forward"; "before the first step, phase load".
std::string where(const ProgressReport& progress);
/// What to do about it.
std::string remedy_for(const Hang& hang, std::span<const RankView> ranks,
                       std::span<const RankPlace> places);

}  // namespace longhaul
