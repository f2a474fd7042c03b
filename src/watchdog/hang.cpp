#include "watchdog/hang.h"

#include <algorithm>

namespace longhaul {
namespace {

// A watchdog that is not given the processor for a moment is not quiet.
constexpr double kQuietSeconds = 2.0;

bool heard(const RankView& rank) { return rank.link != RankView::Link::never; }

/// Does its process perhaps not run? It may have come to a collective and still hold it up, because
/// it no longer moves messages.
bool is_quiet(const RankView& rank) {
  if (rank.link == RankView::Link::lost) return true;
  return rank.link == RankView::Link::open && rank.silent_seconds >= kQuietSeconds;
}

/// Perhaps waits for others: in a collective, for the device, or for room in the device's queue,
/// which looks like work that does not come on.
bool may_wait(const RankView& rank) { return rank.progress.waiting || rank.progress.on_device; }

class Search {
 public:
  Search(std::span<const RankView> ranks, const std::optional<ParallelLayout>& layout,
         const HangLimits& limits)
      : ranks_(ranks), layout_(layout), limits_(limits) {}

  /// The wait of `rank`, when it will not end.
  std::optional<Hang> look_at(int rank) const {
    const RankView& waiting = view(rank);
    std::vector<bool> visited(ranks_.size(), false);
    std::vector<int> culprits;
    visited[static_cast<std::size_t>(rank)] = true;
    follow(rank, visited, culprits);
    Hang hang{rank, waiting.idle_seconds, {}, false};
    // Not what the rank itself has measured: that counts the time in which the whole job stood
    // still.
    const double waited = waiting.idle_seconds;
    if (culprits.empty()) {
      if (waited < limit(waiting)) return std::nullopt;
      return hang;
    }
    for (const int culprit : culprits) {
      const std::optional<double> patience = verdict(view(culprit));
      if (!patience || waited < *patience) continue;
      hang.missing.push_back(culprit);
      hang.lost = hang.lost || view(culprit).link == RankView::Link::lost;
    }
    if (hang.missing.empty()) return std::nullopt;
    std::sort(hang.missing.begin(), hang.missing.end());
    return hang;
  }

 private:
  [[nodiscard]] const RankView& view(int rank) const {
    return ranks_[static_cast<std::size_t>(rank)];
  }

  /// Ranks that have not come to what `rank` waits in.
  [[nodiscard]] std::vector<int> missing(int rank) const {
    const ProgressReport& mine = view(rank).progress;
    std::vector<int> found;
    for (const Group group : kAllGroups) {
      if (!mine.on_device && group != mine.group) continue;
      const std::size_t calls = index_of(group);
      for (const int member : members(group, rank, static_cast<int>(ranks_.size()), layout_)) {
        const RankView& other = view(member);
        if (member == rank || !heard(other)) continue;
        if (other.progress.calls[calls] < mine.calls[calls] || is_quiet(other)) {
          found.push_back(member);
        }
      }
    }
    return found;
  }

  /// Collects in `culprits` those that everything waits for in the end.
  void follow(int rank, std::vector<bool>& visited, std::vector<int>& culprits) const {
    for (const int other : missing(rank)) {
      const auto index = static_cast<std::size_t>(other);
      if (visited[index]) continue;
      visited[index] = true;
      const bool reports = view(other).link == RankView::Link::open && !is_quiet(view(other));
      if (may_wait(view(other)) && reports && !missing(other).empty()) {
        follow(other, visited, culprits);
      } else {
        culprits.push_back(other);
      }
    }
  }

  [[nodiscard]] double limit(const RankView& rank) const {
    return rank.progress.pace == Pace::agreement ? limits_.startup : limits_.comm;
  }

  [[nodiscard]] double silence(const RankView& rank) const {
    return std::max(kQuietSeconds, std::min(limits_.silence, limit(rank)));
  }

  /// How long others must have waited for this rank, and it must have been missing, before they
  /// give up; nothing: not yet.
  [[nodiscard]] std::optional<double> verdict(const RankView& rank) const {
    if (rank.link == RankView::Link::lost) {
      const double patience = std::min(limits_.lost, limit(rank));
      if (rank.silent_seconds >= patience) return patience;
    } else if (rank.silent_seconds >= silence(rank)) {
      return silence(rank);
    } else if (rank.link == RankView::Link::open && rank.idle_seconds >= limit(rank)) {
      return limit(rank);
    }
    return std::nullopt;
  }

  std::span<const RankView> ranks_;
  const std::optional<ParallelLayout>& layout_;
  const HangLimits& limits_;
};

}  // namespace

bool first_rank_is_gone(const RankView& own, const RankView& first, const HangLimits& limits) {
  if (!may_wait(own)) return false;
  const double limit = own.progress.pace == Pace::agreement ? limits.startup : limits.comm;
  double patience = 0.0;
  switch (first.link) {
    case RankView::Link::finished:
      return false;
    case RankView::Link::never:
      return own.idle_seconds >= std::max(limits.comm, limits.startup);
    case RankView::Link::lost:
      patience = std::min(limits.lost, limit);
      break;
    case RankView::Link::open:
      patience = std::max(kQuietSeconds, std::min(limits.silence, limit));
      break;
  }
  return own.idle_seconds >= patience && first.silent_seconds >= patience;
}

std::vector<int> members(Group group, int rank, int world,
                         const std::optional<ParallelLayout>& layout) {
  const bool everyone = group == Group::host || group == Group::world;
  if (!layout && !everyone) return {};
  return ProcessGrid(layout.value_or(ParallelLayout{1, 1, world}), rank).members(group);
}

std::optional<Hang> find_hang(std::span<const RankView> ranks,
                              const std::optional<ParallelLayout>& layout,
                              const HangLimits& limits) {
  const Search search(ranks, layout, limits);
  std::optional<Hang> longest;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const RankView& view = ranks[rank];
    if (view.link != RankView::Link::open || !may_wait(view)) continue;
    if (is_quiet(view)) continue;  // what it told is no longer true
    std::optional<Hang> hang = search.look_at(static_cast<int>(rank));
    if (!hang) continue;
    if (!longest || hang->waited_seconds > longest->waited_seconds) longest = std::move(hang);
  }
  return longest;
}

}  // namespace longhaul
