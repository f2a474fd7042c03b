#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace longhaul {

/// Progress of one piece of work that is counted in bytes, on standard error: a line that is
/// rewritten in place on a terminal; elsewhere a line every ten seconds, so that short work prints
/// nothing.
class ByteProgress {
 public:
  /// what: "writing", "verifying".
  ByteProgress(std::string what, std::int64_t total_bytes);
  ~ByteProgress();
  ByteProgress(const ByteProgress&) = delete;
  ByteProgress& operator=(const ByteProgress&) = delete;

  void add(std::int64_t bytes);

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_;
  bool terminal_;
  bool shown_ = false;
};

}  // namespace longhaul
