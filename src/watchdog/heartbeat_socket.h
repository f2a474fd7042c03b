#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/progress.h"
#include "core/file.h"

namespace longhaul {

/// A job's secret: what has another one on a connection is not of this job.
using HeartbeatToken = std::array<char, 16>;

/// What the watchdogs of two ranks send each other; all ranks run the same program, so that it can
/// travel as it lies in memory.
struct Heartbeat {
  enum class Kind : std::uint32_t {
    beat,   // a sign of life
    bye,    // the sender is done: its silence means nothing from now on
    abort,  // from rank 0: end at once
  };

  HeartbeatToken token{};
  Kind kind = Kind::beat;
  std::int32_t rank = -1;   // the sender
  ProgressReport progress;  // of the sender
};

/// A TCP connection on which heartbeats travel. Never blocks: what the other side does not take is
/// left out. For one thread.
class HeartbeatSocket {
 public:
  HeartbeatSocket() = default;
  explicit HeartbeatSocket(FileDescriptor connected);

  /// Connects to a numeric address ("10.0.0.1", "fd00::1"), within `milliseconds`; not open() when
  /// that fails.
  static HeartbeatSocket connect(const std::string& address, int port, int milliseconds);

  [[nodiscard]] bool open() const { return file_.valid(); }
  [[nodiscard]] int file() const { return file_.get(); }
  /// Closes the connection when the other side is gone.
  void send(const Heartbeat& heartbeat);
  /// The next whole heartbeat that has come; nothing when there is none. As send().
  std::optional<Heartbeat> receive();
  void close() { file_ = FileDescriptor(); }

 private:
  void flush();

  FileDescriptor file_;
  std::array<std::byte, sizeof(Heartbeat)> out_{};
  std::size_t unsent_ = 0;  // bytes at the end of out_
  std::array<std::byte, sizeof(Heartbeat)> in_{};
  std::size_t received_ = 0;  // bytes at the begin of in_
};

/// Where rank 0 listens, on a port that the system chooses, on all of its addresses.
class HeartbeatListener {
 public:
  /// Throws UserError when the system refuses.
  HeartbeatListener();

  [[nodiscard]] int file() const { return file_.get(); }
  [[nodiscard]] int port() const { return port_; }
  /// A connection that waits; not open() when there is none.
  HeartbeatSocket accept();

 private:
  FileDescriptor file_;
  int port_ = 0;
};

/// Numeric addresses of this host that others can reach, IPv4 first.
std::vector<std::string> own_addresses();

HeartbeatToken random_token();

}  // namespace longhaul
