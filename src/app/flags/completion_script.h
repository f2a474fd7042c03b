#pragma once

#include <string>
#include <vector>

#include "core/options/option.h"

namespace longhaul {

/// A command as it is typed, "data check", with its flags.
struct CommandFlags {
  std::string path;
  std::string positional;  // the flag whose values need no name; empty: there is none
  std::vector<OptionDescription> flags;
};

/// A command that is followed by another word.
struct CommandWords {
  std::string path;                // "data"; empty: longhaul itself
  std::vector<std::string> words;  // "check", "show", ...
};

/// A script for bash (and zsh with bashcompinit) that completes `longhaul`.
std::string bash_completion_script(const std::vector<CommandWords>& words,
                                   const std::vector<CommandFlags>& commands);

}  // namespace longhaul
