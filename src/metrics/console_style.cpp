#include "metrics/console_style.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace longhaul {
namespace {

constexpr int kDefaultWidth = 100;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

struct Terminal {
  bool found = false;
  int columns = 0;
};

Terminal terminal_of(int descriptor) {
  if (isatty(descriptor) == 0) return {};
  winsize size{};
  const bool known = ioctl(descriptor, TIOCGWINSZ, &size) == 0;
  return {true, known ? size.ws_col : 0};
}

/// The terminal of the parent process (mpirun or its daemon): its standard output, opened anew.
Terminal terminal_of_parent() {
  const std::string path = fmt::format("/proc/{}/fd/1", getppid());
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return {};
  const Terminal terminal = terminal_of(descriptor);
  ::close(descriptor);
  return terminal;
}

Charset charset_of_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value(environment(name));
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const bool utf8 = value.find("utf-8") != value.npos || value.find("utf8") != value.npos;
    return utf8 ? Charset::utf8 : Charset::ascii;
  }
  return Charset::ascii;
}

}  // namespace

ConsoleStyle detect_console_style(std::FILE* out) {
  Terminal terminal = terminal_of(fileno(out));
  // mpirun gives a rank a pseudo-terminal even when its own output goes to a file.
  if (terminal.found && !environment("OMPI_COMM_WORLD_RANK").empty()) {
    terminal = terminal_of_parent();
  }
  const std::string_view wish = environment("LONGHAUL_CONSOLE");
  const bool dumb = environment("TERM") == "dumb" || environment("TERM").empty();
  ConsoleStyle style;
  style.charset = charset_of_locale();
  const bool live = wish == "live" || (wish != "plain" && terminal.found && !dumb);
  style.mode = live ? ConsoleMode::live : ConsoleMode::plain;
  style.color =
      live && environment("NO_COLOR").empty() && !dumb ? ConsoleColor::on : ConsoleColor::off;
  int columns = terminal.columns;
  if (columns <= 0) columns = std::atoi(std::string(environment("COLUMNS")).c_str());
  style.width = columns > 0 ? columns : kDefaultWidth;
  return style;
}

}  // namespace longhaul
