// longhaul: the command line. Finds the subcommand, runs it, and turns exceptions into one message
// and an exit code.
#include <csignal>
#include <cstdio>
#include <string_view>

#include "app/commands.h"
#include "app/report_error.h"
#include "core/error.h"
#include "core/version.h"

namespace {

using longhaul::Command;
using longhaul::kExitSuccess;
using longhaul::kExitUserError;

void print_usage(std::FILE* out) {
  fmt::print(out, "Usage: longhaul COMMAND [flags]\n\nCommands:\n");
  for (const Command& command : longhaul::commands()) {
    fmt::print(out, "  {:<10}  {}\n", command.name, command.summary);
  }
  fmt::print(out,
             "\n'longhaul COMMAND --help' lists a command's flags, 'longhaul --version' prints the "
             "version.\nTraining runs under mpirun or srun:\n"
             "  mpirun -n 4 longhaul train --model DIR --dataset FILE --save DIR\n"
             "\nExit codes: 0 success; 1 failure; 2 something you can mend (flags, files, data); "
             "'train' and\nactions of 'data' have more, which their --help tells.\n");
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
  for (const Command& command : longhaul::commands()) {
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
