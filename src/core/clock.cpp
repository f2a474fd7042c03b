#include "core/clock.h"

#include <fmt/chrono.h>

namespace longhaul {
using Clock = std::chrono::system_clock;

std::string utc_text(Clock::time_point time, TimeDigits digits) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const std::string text =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(Clock::to_time_t(whole)));
  if (digits == TimeDigits::seconds) return text + "Z";
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(time - whole);
  return fmt::format("{}.{:09}Z", text, rest.count());
}

std::string utc_now(TimeDigits digits) { return utc_text(Clock::now(), digits); }

double unix_time() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace longhaul
