#include "watchdog/fatal_signals.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

#include "core/fixed_text.h"

namespace longhaul {
namespace {

struct FatalSignal {
  int number;
  std::string_view name;
  std::string_view meaning;
};

constexpr std::array kFatal{
    FatalSignal{SIGSEGV, "SIGSEGV", "an invalid memory access"},
    FatalSignal{SIGBUS, "SIGBUS",
                "memory that is not there: a mapped file became shorter, or /dev/shm is full"},
    FatalSignal{SIGFPE, "SIGFPE", "an arithmetic error"},
    FatalSignal{SIGILL, "SIGILL", "an instruction that this processor does not know"},
    FatalSignal{SIGABRT, "SIGABRT", "the program or a library gave up"},
};

constexpr std::size_t kStackBytes = 65536;
constexpr std::string_view kRemedy =
    "this is an error in the program or in a library, or broken hardware: keep the lines above and "
    "the core file, if any, for a report; start the same command again to continue from the newest "
    "checkpoint";

/// What the handler works with, made before anything can happen: it must not allocate.
struct HandlerState {
  FailureFile* file = nullptr;
  const ProgressRecord* progress = nullptr;
  std::string_view command;
  FixedText message;
  FixedText line;
};

// A handler gets nothing but a number: what it works with can only be here.
HandlerState state;
std::atomic<bool> armed{false};
std::array<struct sigaction, kFatal.size()> former{};

/// Standard error gets one line, the file the record.
void tell(const FatalSignal& signal) {
  FailureRecord record;
  record.kind = FailureKind::signal;
  record.rank = state.file->rank();
  record.host = state.file->host();
  record.pid = ::getpid();
  record.progress = state.progress->read();
  record.waited_seconds = record.progress.waited_seconds;
  record.signal = signal.number;
  FixedText& message = state.message;
  message.append("[rank ");
  message.append(record.rank);
  message.append(" on ");
  message.append(record.host);
  message.append("] crashed with ");
  message.append(signal.name);
  message.append(" (");
  message.append(signal.meaning);
  message.append(record.progress.step == 0 ? ") before the first step" : ") in step ");
  if (record.progress.step != 0) message.append(record.progress.step);
  message.append(", phase ");
  message.append(record.progress.phase.data());
  record.message = message.view();
  record.remedy = kRemedy;
  if (state.file->publish(record) == Publication::another_was_first) return;
  FixedText& line = state.line;
  line.append("longhaul ");
  line.append(state.command);
  line.append(": error: ");
  line.append(message.view());
  line.append("; ");
  line.append(kRemedy);
  line.append("\n");
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, line.view().data(), line.view().size());
}

void handle(int number) {
  for (std::size_t i = 0; i < kFatal.size(); ++i) {
    if (kFatal[i].number != number) continue;
    ::sigaction(number, &former[i], nullptr);
    if (armed.exchange(false)) tell(kFatal[i]);
  }
  // A fault happens again when the handler returns; a signal that was sent does not. Either way it
  // now goes to the former handler.
  ::raise(number);
}

}  // namespace

FatalSignals::FatalSignals(FailureFile& file, const ProgressRecord& progress, const char* command)
    : stack_(std::make_unique<std::byte[]>(kStackBytes)) {
  state.file = &file;
  state.progress = &progress;
  state.command = command;
  state.message.clear();
  state.line.clear();
  armed = true;
  stack_t stack{};
  stack.ss_sp = stack_.get();
  stack.ss_size = kStackBytes;
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kFatal.size(); ++i) {
    ::sigaction(kFatal[i].number, &action, &former[i]);
  }
}

FatalSignals::~FatalSignals() {
  for (std::size_t i = 0; i < kFatal.size(); ++i) {
    ::sigaction(kFatal[i].number, &former[i], nullptr);
  }
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

}  // namespace longhaul
