#include "watchdog/heartbeat_socket.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <type_traits>

#include "core/error.h"

namespace longhaul {
namespace {

static_assert(std::is_trivially_copyable_v<Heartbeat>);

void send_at_once(int file) {
  const int on = 1;
  ::setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

[[noreturn]] void refused(const char* what) {
  user_error(
      "the watchdog's {}: {}; allow this process TCP sockets, or do without the watchdog "
      "(--comm_timeout 0)",
      what, std::strerror(errno));
}

}  // namespace

HeartbeatSocket::HeartbeatSocket(FileDescriptor connected) : file_(std::move(connected)) {
  if (file_.valid()) send_at_once(file_.get());
}

HeartbeatSocket HeartbeatSocket::connect(const std::string& address, int port, int milliseconds) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, ::freeaddrinfo);
  FileDescriptor file(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!file.valid()) return {};
  if (::connect(file.get(), found->ai_addr, found->ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return {};
    pollfd waiting{file.get(), POLLOUT, 0};
    if (::poll(&waiting, 1, milliseconds) != 1) return {};
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(file.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return {};
  }
  return HeartbeatSocket(std::move(file));
}

void HeartbeatSocket::flush() {
  while (unsent_ > 0) {
    const ssize_t sent = ::send(file_.get(), out_.data() + (out_.size() - unsent_), unsent_,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      unsent_ -= static_cast<std::size_t>(sent);
    } else if (errno == EINTR) {
      continue;
    } else {
      if (errno != EAGAIN && errno != EWOULDBLOCK) close();
      return;
    }
  }
}

void HeartbeatSocket::send(const Heartbeat& heartbeat) {
  if (!open()) return;
  flush();
  if (!open() || unsent_ > 0) return;
  std::memcpy(out_.data(), &heartbeat, sizeof heartbeat);
  unsent_ = sizeof heartbeat;
  flush();
}

std::optional<Heartbeat> HeartbeatSocket::receive() {
  while (open()) {
    const ssize_t count =
        ::recv(file_.get(), in_.data() + received_, in_.size() - received_, MSG_DONTWAIT);
    if (count > 0) {
      received_ += static_cast<std::size_t>(count);
      if (received_ < in_.size()) continue;
      received_ = 0;
      Heartbeat heartbeat;
      std::memcpy(static_cast<void*>(&heartbeat), in_.data(), sizeof heartbeat);
      return heartbeat;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    close();
  }
  return std::nullopt;
}

HeartbeatListener::HeartbeatListener() {
  // IPv6 sockets take IPv4 too; a system without IPv6 has only the latter.
  file_ = FileDescriptor(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  socklen_t length = 0;
  if (file_.valid()) {
    const int off = 0;
    ::setsockopt(file_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    reinterpret_cast<sockaddr_in6&>(address).sin6_family = AF_INET6;
    length = sizeof(sockaddr_in6);
  }
  if (!file_.valid() ||
      ::bind(file_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    file_ = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!file_.valid()) refused("socket");
    address = {};
    reinterpret_cast<sockaddr_in&>(address).sin_family = AF_INET;
    length = sizeof(sockaddr_in);
    if (::bind(file_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
      refused("port");
    }
  }
  if (::listen(file_.get(), SOMAXCONN) != 0) refused("port");
  length = sizeof address;
  if (::getsockname(file_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    refused("port");
  }
  port_ = ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                              : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

HeartbeatSocket HeartbeatListener::accept() {
  return HeartbeatSocket(
      FileDescriptor(::accept4(file_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

std::vector<std::string> own_addresses() {
  ifaddrs* list = nullptr;
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  if (::getifaddrs(&list) != 0) return v4;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> guard(list, ::freeifaddrs);
  for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
    const bool usable = (item->ifa_flags & IFF_UP) != 0 && (item->ifa_flags & IFF_LOOPBACK) == 0;
    if (item->ifa_addr == nullptr || !usable) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (item->ifa_addr->sa_family == AF_INET) {
      const auto* const address = reinterpret_cast<const sockaddr_in*>(item->ifa_addr);
      ::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
      v4.emplace_back(text.data());
    } else if (item->ifa_addr->sa_family == AF_INET6) {
      const auto* const address = reinterpret_cast<const sockaddr_in6*>(item->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr)) continue;
      ::inet_ntop(AF_INET6, &address->sin6_addr, text.data(), text.size());
      v6.emplace_back(text.data());
    }
  }
  v4.insert(v4.end(), v6.begin(), v6.end());
  return v4;
}

HeartbeatToken random_token() {
  std::random_device device;
  HeartbeatToken token{};
  for (char& byte : token) byte = static_cast<char>(device());
  return token;
}

}  // namespace longhaul
