#include "preflight/group_check.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/humanize.h"
#include "core/stopwatch.h"

namespace longhaul::preflight {
namespace {

constexpr std::int64_t kFirstBytes = std::int64_t{1} << 20;
constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;      // of a device
constexpr std::int64_t kMostHostBytes = std::int64_t{16} << 20;  // between CPUs that is plenty
constexpr double kSecondsACall = 0.02;  // larger messages are tried while a call is faster
constexpr int kCalls = 3;
constexpr double kNanoseconds = 1e9;

double one_call(Backend& backend, const NamedGroup& group, void* data, std::int64_t bytes) {
  const Stopwatch watch;
  group.comm->all_reduce(data, bytes / 4, DType::f32, "preflight.all_reduce",
                         backend.device->compute_stream());
  backend.device->synchronize(backend.device->compute_stream());
  return watch.seconds();
}

/// The same on all ranks.
double slowest(Coordinator& coordinator, double seconds) {
  const auto nanoseconds = static_cast<std::int64_t>(std::llround(seconds * kNanoseconds));
  return static_cast<double>(coordinator.max(nanoseconds)) / kNanoseconds;
}

struct Group {
  GroupSpeed speed;                 // of its slowest rank
  std::vector<Seen<bool>> members;  // where; the fact is not used
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string hosts_of(const Group& group) {
  std::vector<std::string> hosts;
  for (const auto& member : group.members) {
    if (std::find(hosts.begin(), hosts.end(), member.host) == hosts.end()) {
      hosts.push_back(member.host);
    }
  }
  return fmt::format("{}", fmt::join(hosts, ", "));
}

std::string rate(double bytes_per_second) {
  constexpr double kGiga = 1e9;
  return fmt::format("{:.3g} GB/s", bytes_per_second / kGiga);
}

void judge_kind(const std::string& name, const std::vector<Group>& groups, double factor,
                Verdict& verdict) {
  std::vector<double> speeds;
  for (const Group& group : groups) speeds.push_back(group.speed.bus_bandwidth());
  const auto [least, most] = std::minmax_element(speeds.begin(), speeds.end());
  std::string range = rate(*most);
  if (rate(*least) != range) range = fmt::format("{} to {}", rate(*least), range);
  verdict.summary += fmt::format("{}{} {}", verdict.summary.empty() ? "" : ", ", name, range);
  verdict.details.push_back(fmt::format("{}: {} of {} ranks, {}", name,
                                        counted(std::ssize(groups), "group"),
                                        groups.front().speed.ranks.size(), range));
  for (std::size_t i = 0; i < groups.size() && groups.size() > 1; ++i) {
    std::vector<double> others = speeds;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    const double usual = median(others);
    if (speeds[i] * factor >= usual) continue;
    for (const auto& member : groups[i].members) {
      verdict.warn(member,
                   fmt::format("all-reduce over the {} group of ranks {} (on {}): {}, other {} "
                               "groups reach {}",
                               name, rank_ranges(groups[i].speed.ranks), hosts_of(groups[i]),
                               rate(speeds[i]), name, rate(usual)),
                   "look for a slow link, a GPU without NVLink or other load on these hosts "
                   "(longhaul bench collectives measures again); leave the host out if it stays");
    }
  }
}

}  // namespace

double GroupSpeed::bus_bandwidth() const {
  const auto n = static_cast<double>(ranks.size());
  return seconds > 0.0 ? 2.0 * (n - 1.0) / n * bytes / seconds : 0.0;
}

GroupSpeeds measure_groups(Backend& backend, Coordinator& coordinator,
                           const std::vector<NamedGroup>& groups) {
  GroupSpeeds speeds;
  if (groups.empty()) return speeds;
  const std::int64_t most = backend.device->kind() == DeviceKind::cpu ? kMostHostBytes : kMostBytes;
  DeviceBuffer buffer;
  coordinator.run_collectively([&] {  // else others wait for ever
    buffer = DeviceBuffer(*backend.device, static_cast<std::size_t>(most));
    backend.device->fill_zero(buffer.data(), buffer.bytes(), backend.device->compute_stream());
  });
  for (const NamedGroup& group : groups) {
    one_call(backend, group, buffer.data(), kFirstBytes);  // connects
    std::int64_t bytes = kFirstBytes;
    coordinator.barrier();
    while (slowest(coordinator, one_call(backend, group, buffer.data(), bytes)) < kSecondsACall &&
           bytes < most) {
      bytes *= 4;
    }
    GroupSpeed speed{group.name, group.ranks, static_cast<double>(bytes), 0.0};
    for (int call = 0; call < kCalls; ++call) {
      const double seconds = one_call(backend, group, buffer.data(), bytes);
      if (call == 0 || seconds < speed.seconds) speed.seconds = seconds;
    }
    speeds.push_back(std::move(speed));
  }
  return speeds;
}

Verdict judge_groups(const std::vector<Seen<GroupSpeeds>>& all, double factor) {
  std::vector<std::string> names;  // in the order of the groups
  std::map<std::string, std::map<int, Group>> kinds;
  for (const auto& one : all) {
    for (const GroupSpeed& speed : one.fact) {
      if (!kinds.contains(speed.name)) names.push_back(speed.name);
      Group& group = kinds[speed.name][speed.ranks.front()];
      if (group.members.empty() || speed.seconds > group.speed.seconds) group.speed = speed;
      group.members.push_back({one.rank, one.host, true});
    }
  }
  Verdict verdict;
  for (const std::string& name : names) {
    std::vector<Group> groups;
    for (auto& [first, group] : kinds[name]) groups.push_back(std::move(group));
    judge_kind(name, groups, factor, verdict);
  }
  if (names.empty()) verdict.summary = "one rank has nothing to exchange";
  return verdict;
}

double slow_group_factor(const Backend& backend) {
  return backend.device->kind() == DeviceKind::cpu ? 4.0 : 2.0;
}

}  // namespace longhaul::preflight
