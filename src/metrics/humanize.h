#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/humanize.h"

namespace longhaul {

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
