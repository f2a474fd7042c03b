#include "metrics/humanize.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/utf8.h"

namespace longhaul {
namespace {

bool wide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
         (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
         (c >= 0x20000 && c <= 0x3fffd);
}

std::size_t columns_of(CodePoint point) { return wide(point.value) ? 2 : 1; }

}  // namespace

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
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = decode_utf8(text, at);
    columns += columns_of(point);
    at += point.length;
  }
  return columns;
}

std::string cut_to_width(std::string_view text, std::size_t width) {
  std::size_t bytes = 0;
  std::size_t columns = 0;
  while (bytes < text.size()) {
    const CodePoint point = decode_utf8(text, bytes);
    columns += columns_of(point);
    if (columns > width) break;
    bytes += point.length;
  }
  return std::string(text.substr(0, bytes));
}

}  // namespace longhaul
