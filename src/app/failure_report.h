#pragma once

#include <exception>
#include <stdexcept>

#include "comm/coordinator.h"
#include "watchdog/failure_file.h"

namespace longhaul {

/// Instead of an error of which another rank has already told the user: this one ends without a
/// word.
class SilentError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class RunStage : std::uint8_t { start_up, training };

/// Writes the failure record of a run that ends because of `error`. What the user can mend before
/// training begins needs none, nor does a wish to stop; of an error that all ranks know, one rank
/// writes. False: another rank's record was there first, so that this rank need not speak.
bool record_failure(FailureFile& file, Coordinator& coordinator, const std::exception& error,
                    RunStage stage);

}  // namespace longhaul
