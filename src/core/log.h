#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

namespace spdlog {
class logger;
}

namespace longhaul {

/// Leveled messages on standard error: rank 0 prints everything, other ranks only errors, with
/// their rank and host in front. Thread-safe.
class Log {
 public:
  /// rank: this process's world rank; host: its name.
  Log(int rank, std::string host);

  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    write_info(fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    write_warning(fmt::format(format, std::forward<Args>(args)...));
  }
  /// Printed by every rank: use it only where one rank has something to say.
  template <typename... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    write_error(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  void write_info(const std::string& text) const;
  void write_warning(const std::string& text) const;
  void write_error(const std::string& text) const;

  int rank_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace longhaul
