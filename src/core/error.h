#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace longhaul {

/// Exit codes of every subcommand; scripts may rely on them.
inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;    // a failed internal check, a lost rank, an I/O error
inline constexpr int kExitUserError = 2;  // something the user can mend: flags, files, data
/// Stopped on request (a signal) where the same command can go on; EX_TEMPFAIL of sysexits.h.
inline constexpr int kExitStopped = 75;

/// Something that the user can mend. The text says what is wrong, where, and what to do.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Something that should not happen: a failed check or a failed library call.
class InternalError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws UserError with a formatted text.
template <typename... Args>
[[noreturn]] void user_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

namespace detail {
[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               const std::string& message);
}  // namespace detail

/// Checks an invariant in every build type. The message is a format string with arguments:
/// LONGHAUL_CHECK(rows > 0, "rows = {}", rows). The program's top level adds rank and host.
#define LONGHAUL_CHECK(condition, ...)                                                            \
  do {                                                                                            \
    if (!(condition)) [[unlikely]] {                                                              \
      ::longhaul::detail::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
    }                                                                                             \
  } while (false)

}  // namespace longhaul
