#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace longhaul {

enum class TimeDigits : std::uint8_t { seconds, nanoseconds };

/// UTC in ISO 8601: "2025-06-01T12:34:56Z" or "2025-06-01T12:34:56.123456789Z". Texts with the same
/// digits sort by time.
std::string utc_text(std::chrono::system_clock::time_point time, TimeDigits digits);
/// The time now.
std::string utc_now(TimeDigits digits);

/// Seconds since 1970 in UTC, to a microsecond or better.
double unix_time();

}  // namespace longhaul
