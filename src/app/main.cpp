// longhaul: the command line. Finds the subcommand, runs it, and turns exceptions into one message
// and an exit code.
#include <array>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "app/command.h"
#include "app/report_error.h"
#include "core/error.h"
#include "core/version.h"

namespace {

using longhaul::kExitSuccess;
using longhaul::kExitUserError;

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(int, char**);
};

constexpr std::array kCommands{
    Command{"train", "fine-tune a model on agent conversations", longhaul::run_train},
    Command{"import", "turn a Hugging Face model into a checkpoint", longhaul::run_import},
    Command{"export", "turn a checkpoint into a Hugging Face model", longhaul::run_export},
    Command{"inspect", "show and verify a checkpoint", longhaul::run_inspect},
    Command{"data", "check, show, encode and render rows as the trainer reads them",
            longhaul::run_data},
    Command{"init", "write a model directory with random weights", longhaul::run_init},
    Command{"bench", "measure kernels, collectives and whole steps on this machine",
            longhaul::run_bench},
};

void print_usage(std::FILE* out) {
  fmt::print(out, "Usage: longhaul COMMAND [flags]\n\nCommands:\n");
  for (const Command& command : kCommands) {
    fmt::print(out, "  {:<8} {}\n", command.name, command.summary);
  }
  fmt::print(out,
             "\n'longhaul COMMAND --help' lists a command's flags. Training runs under mpirun:\n"
             "  mpirun -n 4 longhaul train --model DIR --dataset FILE --save DIR\n");
}

}  // namespace

int main(int argc, char** argv) {
  // A file size limit is then an error of write(2), which has a message, instead of a silent death.
  std::signal(SIGXFSZ, SIG_IGN);
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--version") {
    fmt::print("longhaul {}\n", longhaul::kVersion);
    return kExitSuccess;
  }
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    print_usage(name.empty() ? stderr : stdout);
    return name.empty() ? kExitUserError : kExitSuccess;
  }
  for (const Command& command : kCommands) {
    if (command.name != name) continue;
    try {
      return command.run(argc - 1, argv + 1);
    } catch (const std::exception& error) {
      return longhaul::report_error(name, error);
    }
  }
  fmt::print(stderr,
             "longhaul: error: unknown command '{}'; 'longhaul --help' lists the commands\n", name);
  return kExitUserError;
}
