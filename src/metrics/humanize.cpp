#include "metrics/humanize.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

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

bool wide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
         (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
         (c >= 0x20000 && c <= 0x3fffd);
}

/// The bytes and columns of the UTF-8 character at the begin of a non-empty text. A byte that
/// begins no character counts as one column.
struct Glyph {
  std::size_t bytes;
  std::size_t columns;
};

Glyph first_glyph(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  std::size_t length = 1;
  if (lead >= 0xc0 && lead < 0xf8) length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length == 1 || length > text.size()) return {1, 1};
  char32_t c = lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0U) != 0x80U) return {1, 1};
    c = c << 6U | (byte & 0x3fU);
  }
  return {length, wide(c) ? std::size_t{2} : std::size_t{1}};
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

std::string sparkline(std::span<const double> values, std::size_t width, Charset charset) {
  static constexpr std::array<std::string_view, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr std::array<std::string_view, 8> kAscii{"_", ".", ",", "-", "~", "=", "*", "#"};
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double value) { return std::isfinite(value); });
  if (finite.empty() || width == 0) return {};
  const std::size_t columns = std::min(width, finite.size());
  std::vector<double> means(columns);
  for (std::size_t column = 0; column < columns; ++column) {
    const std::size_t begin = column * finite.size() / columns;
    const std::size_t end = (column + 1) * finite.size() / columns;
    double sum = 0.0;
    for (std::size_t i = begin; i < end; ++i) sum += finite[i];
    means[column] = sum / static_cast<double>(end - begin);
  }
  const auto [low, high] = std::minmax_element(means.begin(), means.end());
  const double range = *high - *low;
  std::string line;
  for (const double mean : means) {
    // A flat curve is drawn in the middle.
    const double share = range > 0.0 ? (mean - *low) / range : 0.5;
    const auto level = static_cast<std::size_t>(std::lround(share * (kBlocks.size() - 1)));
    line += charset == Charset::utf8 ? kBlocks[level] : kAscii[level];
  }
  return line;
}

std::string progress_bar(double share, std::size_t width, Charset charset) {
  if (width < 3) return {};
  share = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
  const std::size_t inner = width - 2;
  std::string bar;
  if (charset == Charset::ascii) {
    const auto full = static_cast<std::size_t>(share * static_cast<double>(inner));
    return fmt::format("[{}{}]", std::string(full, '#'), std::string(inner - full, '-'));
  }
  static constexpr std::array<std::string_view, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<std::size_t>(share * static_cast<double>(inner) * 8.0);
  bar = "▕";
  for (std::size_t i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  const std::size_t used = eighths / 8 + (eighths % 8 != 0 ? 1 : 0);
  bar.append(inner - used, ' ');
  return bar + "▏";
}

std::size_t display_width(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Glyph glyph = first_glyph(text);
    columns += glyph.columns;
    text.remove_prefix(glyph.bytes);
  }
  return columns;
}

std::string cut_to_width(std::string_view text, std::size_t width) {
  std::size_t bytes = 0;
  std::size_t columns = 0;
  while (bytes < text.size()) {
    const Glyph glyph = first_glyph(text.substr(bytes));
    if (columns + glyph.columns > width) break;
    columns += glyph.columns;
    bytes += glyph.bytes;
  }
  return std::string(text.substr(0, bytes));
}

}  // namespace longhaul
