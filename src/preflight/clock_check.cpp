#include "preflight/clock_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/clock.h"
#include "core/humanize.h"

namespace longhaul::preflight {
namespace {

constexpr int kRounds = 8;
constexpr double kWarning = 1.0;  // seconds: entries of logs of different hosts no longer sort
constexpr double kFailure = 60.0;
constexpr Label kLabel = "preflight.clock";

/// Rank 0's side of one host.
ClockOffset ask(Communicator& world, int peer) {
  ClockOffset offset;
  double fastest = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    double theirs = 0.0;
    const double sent = unix_time();
    world.send(&sent, 1, DType::f64, peer, kLabel, {});
    world.recv(&theirs, 1, DType::f64, peer, kLabel, {});
    const double received = unix_time();
    if (received - sent >= fastest) continue;
    fastest = received - sent;
    offset = {theirs - (sent + received) / 2, fastest / 2, true};
  }
  world.send(&offset.seconds, 1, DType::f64, peer, kLabel, {});
  world.send(&offset.uncertainty, 1, DType::f64, peer, kLabel, {});
  return offset;
}

/// The side of the host that is asked.
ClockOffset answer(Communicator& world) {
  for (int round = 0; round < kRounds; ++round) {
    double theirs = 0.0;
    world.recv(&theirs, 1, DType::f64, 0, kLabel, {});
    const double mine = unix_time();
    world.send(&mine, 1, DType::f64, 0, kLabel, {});
  }
  ClockOffset offset{0.0, 0.0, true};
  world.recv(&offset.seconds, 1, DType::f64, 0, kLabel, {});
  world.recv(&offset.uncertainty, 1, DType::f64, 0, kLabel, {});
  return offset;
}

}  // namespace

ClockOffset compare_clocks(Coordinator& coordinator, Communicator& world) {
  const std::vector<std::string> hosts = coordinator.all_gather(coordinator.host());
  std::set<std::string> asked{hosts.front()};
  ClockOffset mine;
  for (int rank = 1; rank < coordinator.size(); ++rank) {
    if (!asked.insert(hosts[static_cast<std::size_t>(rank)]).second) continue;
    if (coordinator.rank() == 0) ask(world, rank);
    if (coordinator.rank() == rank) mine = answer(world);
  }
  return mine;
}

Verdict judge_clocks(const std::vector<Seen<ClockOffset>>& all) {
  Verdict verdict;
  double largest = 0.0;
  std::size_t measured = 0;
  for (const auto& one : all) {
    if (!one.fact.measured) continue;
    ++measured;
    const double off = std::abs(one.fact.seconds) - one.fact.uncertainty;
    largest = std::max(largest, std::abs(one.fact.seconds));
    if (off < kWarning) continue;
    const bool fails = off >= kFailure;
    verdict.findings.push_back(
        {fails ? Severity::failure : Severity::warning, one.rank, one.host,
         fmt::format("the clock is {} {} rank 0's on {}",
                     human_duration(std::abs(one.fact.seconds)),
                     one.fact.seconds > 0 ? "ahead of" : "behind", all.front().host),
         "set the clocks by NTP (chronyc makestep, or systemctl restart systemd-timesyncd): the "
         "newest checkpoint is found by the time of writing, and logs are compared by it"});
  }
  verdict.summary =
      measured == 0 ? "one host" : fmt::format("differ by at most {:.1f} ms", 1e3 * largest);
  return verdict;
}

}  // namespace longhaul::preflight
