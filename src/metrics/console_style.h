#pragma once

#include <cstdint>
#include <cstdio>

#include "metrics/humanize.h"

namespace longhaul {

enum class ConsoleMode : std::uint8_t {
  plain,  // a file, a pipe, a batch job: only whole lines
  live,   // a terminal: a status line redrawn in place
};

enum class ConsoleColor : std::uint8_t { off, on };

/// How the console draws.
struct ConsoleStyle {
  ConsoleMode mode = ConsoleMode::plain;
  ConsoleColor color = ConsoleColor::off;
  Charset charset = Charset::utf8;
  int width = 100;  // columns
};

/// Finds the style for a stream. Under mpirun, a rank's output goes to a pipe or pseudo-terminal of
/// mpirun's, so the question is put to mpirun's own output. NO_COLOR and TERM=dumb turn colour off,
/// the locale (LC_ALL, LC_CTYPE, LANG) decides the character set, and LONGHAUL_CONSOLE=live|plain
/// overrides the mode.
ConsoleStyle detect_console_style(std::FILE* out);

}  // namespace longhaul
