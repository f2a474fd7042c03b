// longhaul data ACTION: finds the action and runs it.
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "app/command.h"
#include "app/commands.h"
#include "app/data/data_actions.h"
#include "app/flags/suggestion.h"
#include "core/error.h"

namespace longhaul {
namespace {

/// In the order of --help. A further action is a line here, a function in data_actions.h and a file
/// data_ACTION.cpp.
constexpr std::array kActions{
    Command{"encode", "the token ids of texts", run_data_encode},
    Command{"decode", "the text of token ids", run_data_decode},
    Command{"render", "the text, ids and loss weights of rows, as JSON lines", run_data_render},
    Command{"check", "which rows are fit for training, and what looks odd", run_data_check},
    Command{"show", "one conversation in the terminal, trained text marked", run_data_show},
    Command{"diff-template", "our rendering against another program's", run_data_diff_template},
    Command{"stats", "how many rows, tokens and packs there would be, without a cache",
            run_data_stats},
    Command{"prepare", "the token cache of a run ahead of it, and the account of every row",
            run_data_prepare},
    Command{"where", "which rows a run trains on when", run_data_where},
};

void print_usage(std::FILE* out) {
  fmt::print(out,
             "Usage: longhaul data ACTION [flags]\n\n"
             "Looks at training data with the reader, templates and tokenizer that train uses.\n\n"
             "Actions:\n");
  for (const Command& action : kActions) {
    fmt::print(out, "  {:<14} {}\n", action.name, action.summary);
  }
  fmt::print(out, "\n'longhaul data ACTION --help' lists an action's flags.\n");
}

std::string known_actions() {
  std::string names;
  for (const Command& action : kActions) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", action.name);
  }
  return names;
}

[[noreturn]] void refuse(std::string_view name) {
  if (name.starts_with("-")) {
    user_error("the action comes first, as in 'longhaul data render {} ...'; known: {}", name,
               known_actions());
  }
  std::vector<std::string> names;
  names.reserve(kActions.size());
  for (const Command& action : kActions) names.emplace_back(action.name);
  const std::string near = nearest_name(name, names);
  user_error("longhaul data {}: unknown{}; known: {}", name,
             near.empty() ? "" : fmt::format("; did you mean {}?", near), known_actions());
}

}  // namespace

std::vector<std::string_view> data_action_names() {
  std::vector<std::string_view> names;
  for (const Command& action : kActions) names.push_back(action.name);
  return names;
}

int run_data(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    print_usage(name.empty() ? stderr : stdout);
    return name.empty() ? kExitUserError : kExitSuccess;
  }
  for (const Command& action : kActions) {
    if (action.name != name) continue;
    std::string command = fmt::format("data {}", name);
    std::vector<char*> arguments(argv + 1, argv + argc);
    arguments[0] = command.data();
    return action.run(static_cast<int>(arguments.size()), arguments.data());
  }
  refuse(name);
}

}  // namespace longhaul
