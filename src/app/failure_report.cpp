#include "app/failure_report.h"

#include <unistd.h>

#include "train/trainer.h"

namespace longhaul {
namespace {

constexpr std::string_view kContinue =
    "once the cause is mended, start the same command again to continue from the newest checkpoint";
constexpr std::string_view kNonFiniteRemedy =
    "look at the samples that the run has named, or lower --lr; a lower --lr may need --resume "
    "with "
    "an older checkpoint";
constexpr std::string_view kNcclRemedy =
    "look at the network and the GPUs of these hosts (dmesg, nvidia-smi); NCCL_DEBUG=WARN says "
    "more; "
    "start the same command again to continue from the newest checkpoint";

FailureKind kind_of(const std::exception& error) {
  if (dynamic_cast<const NonFiniteError*>(&error) != nullptr) return FailureKind::nonfinite;
  if (dynamic_cast<const CommunicationError*>(&error) != nullptr) return FailureKind::nccl;
  return FailureKind::exception;
}

std::string_view remedy_of(FailureKind kind) {
  if (kind == FailureKind::nonfinite) return kNonFiniteRemedy;
  return kind == FailureKind::nccl ? kNcclRemedy : kContinue;
}

}  // namespace

bool record_failure(FailureFile& file, Coordinator& coordinator, const std::exception& error,
                    RunStage stage) {
  std::string message = error.what();
  const auto* const collective = dynamic_cast<const CollectiveError*>(&error);
  if (collective != nullptr) {
    if (collective->exit_code() == kExitStopped || !collective->speaker()) return true;
    if (stage == RunStage::start_up && collective->exit_code() == kExitUserError) return true;
    // All ranks are here and wait for this one to speak, whatever else was written.
  } else {
    message = fmt::format("[rank {} on {}] {}", file.rank(), file.host(), message);
  }
  FailureRecord record;
  record.kind = kind_of(error);
  record.rank = file.rank();
  record.host = file.host();
  record.pid = ::getpid();
  record.progress = coordinator.progress().read();
  record.progress.waiting = false;  // the stack is unwound
  record.message = message;
  record.remedy = remedy_of(record.kind);
  const Publication published = file.publish(record);
  return collective != nullptr || published != Publication::another_was_first;
}

}  // namespace longhaul
