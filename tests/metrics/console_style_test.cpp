#include "metrics/console_style.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

namespace longhaul {
namespace {

using Values = std::map<std::string, std::string>;

/// Sets environment variables for one test and puts the old values back.
class Environment {
 public:
  explicit Environment(const Values& values) {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG", "TERM", "NO_COLOR", "COLUMNS",
                             "LONGHAUL_CONSOLE", "OMPI_COMM_WORLD_RANK"}) {
      const char* old = std::getenv(name);
      old_[name] = old != nullptr ? std::optional<std::string>(old) : std::nullopt;
      unsetenv(name);
    }
    for (const auto& [name, value] : values) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : old_) {
      if (value) {
        setenv(name.c_str(), value->c_str(), 1);
      } else {
        unsetenv(name.c_str());
      }
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> old_;
};

ConsoleStyle detect_for_file() {
  std::FILE* file = std::tmpfile();
  const ConsoleStyle style = detect_console_style(file);
  std::fclose(file);
  return style;
}

TEST(ConsoleStyle, AFileIsPlain) {
  const Environment environment(Values{{"TERM", "xterm"}, {"LANG", "en_US.UTF-8"}});
  const ConsoleStyle style = detect_for_file();
  EXPECT_EQ(style.mode, ConsoleMode::plain);
  EXPECT_EQ(style.color, ConsoleColor::off);
  EXPECT_EQ(style.charset, Charset::utf8);
  EXPECT_EQ(style.width, 100);
}

TEST(ConsoleStyle, TheUserCanForceTheLiveForm) {
  const Environment environment(
      Values{{"TERM", "xterm"}, {"LONGHAUL_CONSOLE", "live"}, {"COLUMNS", "72"}});
  const ConsoleStyle style = detect_for_file();
  EXPECT_EQ(style.mode, ConsoleMode::live);
  EXPECT_EQ(style.color, ConsoleColor::on);
  EXPECT_EQ(style.width, 72);
}

TEST(ConsoleStyle, NoColorIsRespected) {
  const Environment environment(
      Values{{"TERM", "xterm"}, {"LONGHAUL_CONSOLE", "live"}, {"NO_COLOR", "1"}});
  EXPECT_EQ(detect_for_file().color, ConsoleColor::off);
}

TEST(ConsoleStyle, LocaleDecidesTheCharacters) {
  {
    const Environment environment(Values{{"LC_ALL", "C"}, {"LANG", "en_US.UTF-8"}});
    EXPECT_EQ(detect_for_file().charset, Charset::ascii);
  }
  {
    const Environment environment(Values{{"LC_CTYPE", "zh_CN.utf8"}});
    EXPECT_EQ(detect_for_file().charset, Charset::utf8);
  }
  {
    const Environment environment(Values{});
    EXPECT_EQ(detect_for_file().charset, Charset::ascii);
  }
}

}  // namespace
}  // namespace longhaul
