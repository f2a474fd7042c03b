#include "preflight/host_check.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <array>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include "core/error.h"
#include "core/humanize.h"

namespace longhaul::preflight {
namespace {

std::string address_text(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) return "";
    inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  }
  return text.data();
}

std::vector<std::string> addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  std::vector<std::string> found;
  std::vector<std::string> loopback;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const std::string text = address_text(entry->ifa_addr);
    if (text.empty()) continue;
    const bool is_loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    (is_loopback ? loopback : found).push_back(fmt::format("{} {}", entry->ifa_name, text));
  }
  if (found.empty()) return loopback;
  return found;
}

}  // namespace

HostFact look_at_host() {
  HostFact fact;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> fact.boot_id;
  fact.addresses = addresses();
  return fact;
}

Verdict judge_hosts(const std::vector<Seen<HostFact>>& all) {
  struct Host {
    HostFact fact;
    std::vector<int> ranks;
    std::set<std::string> boots;
  };
  std::vector<std::string> names;  // in the order of their first ranks
  std::map<std::string, Host> hosts;
  for (const auto& one : all) {
    Host& host = hosts[one.host];
    if (host.ranks.empty()) {
      names.push_back(one.host);
      host.fact = one.fact;
    }
    host.ranks.push_back(one.rank);
    host.boots.insert(one.fact.boot_id);
  }
  Verdict verdict;
  for (const auto& one : all) {
    const std::size_t machines = hosts[one.host].boots.size();
    if (machines == 1) continue;
    verdict.warn(
        one,
        fmt::format("{} machines call themselves {} (their boot ids differ)", machines, one.host),
        "give each a host name of its own: Open MPI and our messages tell hosts apart by "
        "their names");
  }
  for (const std::string& name : names) {
    const Host& host = hosts[name];
    verdict.details.push_back(
        fmt::format("{}: {} {}; {}", name, plural("rank", std::ssize(host.ranks)),
                    rank_ranges(host.ranks), fmt::join(host.fact.addresses, ", ")));
  }
  verdict.summary = fmt::format("{} on {}", counted(std::ssize(all), "rank"),
                                counted(static_cast<std::int64_t>(hosts.size()), "host"));
  return verdict;
}

}  // namespace longhaul::preflight
