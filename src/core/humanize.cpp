#include "core/humanize.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace longhaul {
namespace {

/// Three significant digits for 0 <= value < 1000.
std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

struct Scaled {
  double value;
  std::size_t unit;
};

/// Divides by `base` until the value prints with at most three digits before the point.
Scaled scale(double value, double base, std::size_t units) {
  std::size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < units) {
    value /= base;
    ++unit;
  }
  return {value, unit};
}

std::string with_sign(double original, const std::string& text) {
  return fmt::format("{}{}", original < 0 ? "-" : "", text);
}

}  // namespace

std::string human_count(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  static constexpr std::array kUnits{"", "k", "M", "B", "T"};
  const auto [scaled, unit] = scale(std::abs(value), 1000.0, kUnits.size());
  if (unit == 0 && scaled == std::floor(scaled)) {
    return with_sign(value, fmt::format("{:.0f}", scaled));
  }
  return with_sign(value, three_digits(scaled) + kUnits[unit]);
}

std::string human_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.5) return fmt::format("{:.0f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  const std::int64_t minutes = whole / 60;
  if (minutes < 60) return fmt::format("{} min {:02} s", minutes, whole % 60);
  const std::int64_t hours = minutes / 60;
  if (hours < 24) return fmt::format("{} h {:02} min", hours, minutes % 60);
  return fmt::format("{} d {:02} h", hours / 24, hours % 24);
}

std::string human_bytes(double bytes) {
  static constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  const auto [scaled, unit] = scale(std::abs(bytes), 1024.0, kUnits.size());
  const std::string number = unit == 0 ? fmt::format("{:.0f}", scaled) : three_digits(scaled);
  return with_sign(bytes, fmt::format("{} {}", number, kUnits[unit]));
}

std::string human_flops(double flops_per_second) {
  static constexpr std::array kUnits{"FLOP/s",  "kFLOP/s", "MFLOP/s", "GFLOP/s",
                                     "TFLOP/s", "PFLOP/s", "EFLOP/s"};
  const auto [scaled, unit] = scale(std::abs(flops_per_second), 1000.0, kUnits.size());
  return fmt::format("{} {}", three_digits(scaled), kUnits[unit]);
}

std::string grouped(std::int64_t value) {
  const std::string digits = fmt::format("{}", value);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t left = digits.size() - i;
    if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') text += ',';
    text += digits[i];
  }
  return text;
}

std::string plural(std::string_view noun, std::int64_t count) {
  return fmt::format("{}{}", noun, count == 1 ? "" : "s");
}

std::string counted(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}", grouped(count), plural(noun, count));
}

}  // namespace longhaul
