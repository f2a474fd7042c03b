#include "hf/byte_progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/humanize.h"

namespace longhaul {
namespace {

constexpr auto kTerminalInterval = std::chrono::milliseconds(200);
constexpr auto kPlainInterval = std::chrono::seconds(10);

}  // namespace

ByteProgress::ByteProgress(std::string what, std::int64_t total_bytes)
    : what_(std::move(what)), total_(total_bytes), terminal_(::isatty(STDERR_FILENO) == 1) {
  next_ =
      start_ + (terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kPlainInterval));
}

ByteProgress::~ByteProgress() {
  if (shown_ && terminal_) std::fputs("\r\033[K", stderr);
}

void ByteProgress::add(std::int64_t bytes) {
  done_ += bytes;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + (terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kPlainInterval));
  shown_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done_) / seconds;
  const std::int64_t percent = total_ > 0 ? 100 * done_ / total_ : 100;
  const auto left =
      static_cast<std::int64_t>(static_cast<double>(total_ - done_) / std::max(rate, 1.0));
  const std::string line = fmt::format("{} {:>3} % of {}, {}/s, {} s left", what_, percent,
                                       human_bytes(total_), human_bytes(rate), left);
  if (terminal_) {
    fmt::print(stderr, "\r{}\033[K", line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace longhaul
