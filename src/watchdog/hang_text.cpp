// What is said about a hang.
#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/humanize.h"
#include "watchdog/hang.h"

namespace longhaul {
namespace {

constexpr std::size_t kMostNamed = 8;

std::string name(int rank, std::span<const RankPlace> places) {
  return fmt::format("rank {} on {}", rank, places[static_cast<std::size_t>(rank)].host);
}

/// What keeps a rank away, as far as rank 0 can see.
std::string state(int rank, std::span<const RankView> ranks, std::span<const RankPlace> places) {
  const RankView& view = ranks[static_cast<std::size_t>(rank)];
  const std::int64_t pid = places[static_cast<std::size_t>(rank)].pid;
  const std::string last = where(view.progress);
  switch (view.link) {
    case RankView::Link::lost:
      return fmt::format("process {} ended without a word {:.0f} s ago ({})", pid,
                         view.silent_seconds, last);
    case RankView::Link::finished:
      return fmt::format("process {} left {:.0f} s ago ({})", pid, view.silent_seconds, last);
    case RankView::Link::never:
    case RankView::Link::open:
      break;
  }
  constexpr double kBeats = 2.0;  // a healthy rank is never silent for so long
  if (view.silent_seconds >= kBeats) {
    return fmt::format("process {} has given no sign of life for {:.0f} s ({})", pid,
                       view.silent_seconds, last);
  }
  return fmt::format(
      "process {} lives but reports nothing new for {:.0f} s ({}{})", pid, view.idle_seconds, last,
      view.progress.waiting ? fmt::format(", inside '{}'", view.progress.label.data()) : "");
}

}  // namespace

std::string where(const ProgressReport& progress) {
  if (progress.step == 0) {
    return fmt::format("before the first step, phase {}", progress.phase.data());
  }
  return fmt::format("step {}, phase {}", progress.step, progress.phase.data());
}

std::string describe(const Hang& hang, std::span<const RankView> ranks,
                     std::span<const RankPlace> places) {
  const ProgressReport& progress = ranks[static_cast<std::size_t>(hang.waiting)].progress;
  std::string text = fmt::format(
      "[{}] has {} '{}' (group {}, {}, {})", name(hang.waiting, places),
      progress.waiting ? fmt::format("waited {:.0f} s in", hang.waited_seconds)
                       : fmt::format("come no further for {:.0f} s, its device is in or before",
                                     hang.waited_seconds),
      progress.label.data(), name_of(progress.group), human_bytes(progress.bytes), where(progress));
  if (hang.missing.empty()) {
    std::vector<int> unknown;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      if (ranks[rank].link == RankView::Link::never) unknown.push_back(static_cast<int>(rank));
    }
    if (unknown.empty()) return text + "; all ranks of the group have come, it does not end";
    return text + fmt::format("; nothing is known of {} other ranks, the first is {}",
                              unknown.size(), name(unknown.front(), places));
  }
  std::size_t named = 0;
  for (const int rank : hang.missing) {
    if (named == kMostNamed) break;
    text += fmt::format("; {} has not arrived: {}", name(rank, places), state(rank, ranks, places));
    ++named;
  }
  if (hang.missing.size() > named) {
    text += fmt::format("; and {} more ranks", hang.missing.size() - named);
  }
  return text;
}

std::string remedy_for(const Hang& hang, std::span<const RankView> ranks,
                       std::span<const RankPlace> places) {
  const std::string again = "start the same command again to continue from the newest checkpoint";
  if (hang.missing.empty()) {
    return fmt::format(
        "look for errors of the network between these hosts (links, switches, dmesg); {}", again);
  }
  std::set<std::string> hosts;
  bool silent = false;
  for (const int rank : hang.missing) {
    hosts.insert(places[static_cast<std::size_t>(rank)].host);
    const RankView& view = ranks[static_cast<std::size_t>(rank)];
    silent = silent || view.silent_seconds >= 2.0;
  }
  const std::string where_to_look = fmt::format(
      "{}", fmt::join(hosts.begin(),
                      std::next(hosts.begin(),
                                static_cast<std::ptrdiff_t>(std::min(hosts.size(), kMostNamed))),
                      ", "));
  if (silent) {
    return fmt::format(
        "look at {} (is it up and reachable, was the process stopped, killed or out of memory?); "
        "{}",
        where_to_look, again);
  }
  return fmt::format(
      "look at {} (slow or hanging disk, file system or device); if such work may take longer, "
      "raise --comm_timeout; {}",
      where_to_look, again);
}

}  // namespace longhaul
