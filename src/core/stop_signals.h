#pragma once

#include <string>

namespace longhaul {

/// The wish to stop, told by SIGTERM, SIGUSR1 or SIGINT: the first one is only noted, so that the
/// program can end where nothing is lost; a second one ends the process at once with 128 + signal.
/// Signals within a fifth of a second count as one: schedulers and launchers may deliver the same
/// wish by two roads. One object a process, made before other threads: it replaces the handlers.
class StopSignals {
 public:
  StopSignals();
  /// Puts the former handlers back.
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came first; 0: none yet. Any thread may ask.
  [[nodiscard]] static int received();
  /// The program is about to leave by itself: signals do nothing from now on.
  static void ignore();
};

/// "SIGTERM"; "signal 99" for a number without a name.
std::string signal_name(int signal);

}  // namespace longhaul
