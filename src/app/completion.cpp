// longhaul completion SHELL: a script that completes the command line, made from what the commands
// say of their own flags.
#include <fmt/core.h>

#include <iostream>
#include <sstream>

#include "app/command.h"
#include "app/commands.h"
#include "app/flags/completion_script.h"
#include "app/flags/options.h"
#include "core/error.h"
#include "core/json.h"

namespace longhaul {
namespace {

constexpr const char* kHelp =
    "Usage: longhaul completion bash\n\n"
    "Prints a script that completes commands, flags, their values and file names.\n"
    "  bash, now or in ~/.bashrc:   source <(longhaul completion bash)\n"
    "  bash, for all users:         longhaul completion bash > "
    "/etc/bash_completion.d/longhaul\n"
    "  zsh, in ~/.zshrc:            autoload -U +X compinit bashcompinit && compinit && "
    "bashcompinit\n"
    "                               source <(longhaul completion bash)\n";

/// While it lives, what goes to std::cout is kept here instead.
class CapturedOutput {
 public:
  CapturedOutput() : before_(std::cout.rdbuf(text_.rdbuf())) {}
  ~CapturedOutput() { std::cout.rdbuf(before_); }
  CapturedOutput(const CapturedOutput&) = delete;
  CapturedOutput& operator=(const CapturedOutput&) = delete;
  [[nodiscard]] std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

/// What a command answers to --describe_flags. words: "data", "check".
CommandFlags describe(const Command& command, std::vector<std::string> words) {
  CommandFlags result;
  for (const std::string& word : words) result.path += (result.path.empty() ? "" : " ") + word;
  words.emplace_back("--describe_flags");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  std::string text;
  {
    const CapturedOutput captured;
    command.run(static_cast<int>(arguments.size()), arguments.data());
    text = captured.text();
  }
  const nlohmann::json answer = parse_json<nlohmann::json>(text);
  result.positional = answer.at("positional").get<std::string>();
  for (const auto& flag : answer.at("flags")) {
    OptionDescription description;
    description.name = flag.at("name").get<std::string>();
    description.kind = flag.at("value").get<std::string>();
    description.choices = flag.at("choices").get<std::vector<std::string>>();
    description.value_optional = flag.at("value_optional").get<bool>();
    description.list = flag.at("list").get<bool>();
    result.flags.push_back(std::move(description));
  }
  return result;
}

std::string script() {
  std::vector<CommandWords> words{{"", {}}};
  std::vector<CommandFlags> flags;
  for (const Command& command : commands()) {
    const std::string name(command.name);
    words.front().words.push_back(name);
    if (name == "completion") {
      words.push_back({name, {"bash"}});
      continue;
    }
    const std::vector<std::string_view> parts = name == "data"    ? data_action_names()
                                                : name == "bench" ? benchmark_names()
                                                                  : std::vector<std::string_view>{};
    if (parts.empty()) {
      flags.push_back(describe(command, {name}));
      continue;
    }
    words.push_back({name, {parts.begin(), parts.end()}});
    for (const std::string_view part : parts) {
      flags.push_back(describe(command, {name, std::string(part)}));
    }
  }
  words.front().words.emplace_back("--version");
  return bash_completion_script(words, flags);
}

}  // namespace

int run_completion(int argc, char** argv) {
  const std::string_view shell = argc > 1 ? argv[1] : "";
  if (shell == "--help" || shell == "-h" || shell == "help") {
    fmt::print("{}", kHelp);
    return kExitSuccess;
  }
  if (shell != "bash" || argc > 2) {
    user_error(
        "{}; use 'longhaul completion bash', which serves zsh too ('longhaul completion "
        "--help')",
        shell.empty()     ? std::string("for which shell?")
        : shell == "bash" ? std::string("too many arguments")
                          : fmt::format("no completion for {}", shell));
  }
  fmt::print("{}", script());
  return kExitSuccess;
}

}  // namespace longhaul
