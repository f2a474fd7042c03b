#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace longhaul {

/// "873", "12.3k", "1.72M", "32.8B": three significant digits.
std::string human_count(double value);
/// "0.81 s", "38 s", "2 min 05 s", "1 h 02 min", "3 d 04 h".
std::string human_duration(double seconds);
/// "512 B", "1.5 KiB", "23.4 GiB".
std::string human_bytes(double bytes);
/// FLOP/s with its unit: "45.2 GFLOP/s", "389 TFLOP/s".
std::string human_flops(double flops_per_second);
/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t value);

enum class Charset { ascii, utf8 };

/// A small picture of a curve, at most `width` characters: each stands for the mean of an equal
/// share of the values, its height between the lowest and the highest mean. Non-finite values are
/// left out.
std::string sparkline(std::span<const double> values, std::size_t width, Charset charset);
/// "[#####-----]" or the same with block characters, `width` columns in all; share is clamped to
/// 0..1.
std::string progress_bar(double share, std::size_t width, Charset charset);

/// Columns that a terminal uses for UTF-8 text without escape sequences; CJK characters take two.
std::size_t display_width(std::string_view text);
/// The text cut to at most `width` columns, at a character boundary.
std::string cut_to_width(std::string_view text, std::size_t width);

}  // namespace longhaul
