#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace longhaul {

/// A subcommand, or an action of one.
struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(int argc, char** argv);  // see command.h
};

/// The subcommands, in the order of --help.
std::span<const Command> commands();
/// The actions of `longhaul data`.
std::vector<std::string_view> data_action_names();
/// The benchmarks of `longhaul bench`.
std::vector<std::string_view> benchmark_names();

}  // namespace longhaul
