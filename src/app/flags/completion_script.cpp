#include "app/flags/completion_script.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/version.h"

namespace longhaul {
namespace {

constexpr const char* kHead =
    R"(# Completes longhaul {} in bash: made by 'longhaul completion bash'.
# In ~/.bashrc: source <(longhaul completion bash)
# zsh: autoload -U +X bashcompinit && bashcompinit; source <(longhaul completion bash)
)";

// The only parts that know of the command line's grammar. COMP_WORDBREAKS holds '=', so that
// --flag=value comes as three words. Written for bash and for zsh's emulation of it: no mapfile, no
// associative arrays, no read -a.
constexpr const char* kBody = R"BASH(
_longhaul_names() {
  if [[ $1 == :files ]]; then compgen -f -- "$2"; else compgen -d -- "$2"; fi
}

_longhaul_complete() { # CURRENT CANDIDATES...: what begins with CURRENT; :files and :folders stand for those
  local current=$1 candidate name
  shift
  for candidate in "$@"; do
    case $candidate in
      :files | :folders)
        while IFS= read -r name; do
          COMPREPLY+=("$name")
        done < <(_longhaul_names "$candidate" "$current")
        compopt -o filenames 2> /dev/null
        ;;
      :*) ;;
      "$current"*) COMPREPLY+=("$candidate") ;;
    esac
  done
}

_longhaul() {
  local current=${COMP_WORDS[COMP_CWORD]} command='' flag='' word='' values='' words='' start=1 i=0 given=0
  local -a candidates
  candidates=()
  COMPREPLY=()
  [[ $current == '=' ]] && current=''
  # Which command? Up to two words.
  while ((start < COMP_CWORD && start < 3)); do
    words=$(_longhaul_words "$command")
    [[ -n $words ]] || break
    command=${command:+$command }${COMP_WORDS[start]}
    start=$((start + 1))
  done
  words=$(_longhaul_words "$command")
  if [[ -n $words ]]; then
    if ((start == COMP_CWORD)); then
      for word in $words --help; do candidates+=("$word"); done
      _longhaul_complete "$current" "${candidates[@]}"
    fi
    return 0
  fi
  # The flag before the cursor, and how many values it has already.
  for ((i = start; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if [[ $word == --* ]]; then
      flag=$word
      given=0
    elif [[ $word != '=' ]]; then
      given=$((given + 1))
    fi
  done
  [[ -n $flag ]] && values=$(_longhaul_values "$command $flag")
  if [[ -n $values && ($given == 0 || $values == *:list*) && $current != --* ]]; then
    for word in $values; do candidates+=("$word"); done
    _longhaul_complete "$current" "${candidates[@]}"
    return 0
  fi
  # Flags that are not given yet; what needs no flag's name.
  candidates=()
  for word in $(_longhaul_flags "$command"); do
    given=0
    for ((i = start; i < COMP_CWORD; ++i)); do
      [[ ${COMP_WORDS[i]} == "$word" ]] && given=1
    done
    ((given)) || candidates+=("$word")
  done
  values=$(_longhaul_values "$command :positional")
  if [[ -n $values && $current != -* ]]; then
    candidates=()
    for word in $values; do candidates+=("$word"); done
  fi
  _longhaul_complete "$current" "${candidates[@]}"
  return 0
}

complete -F _longhaul longhaul
)BASH";

/// What can stand after a flag, as _longhaul_complete takes it; ":nothing" for free text.
std::string candidates(const OptionDescription& flag) {
  std::vector<std::string> words = flag.choices;
  const bool files = flag.kind.find("FILE") != std::string::npos || flag.kind == "PATH" ||
                     flag.kind.find("|PATH") != std::string::npos;
  if (files) words.emplace_back(":files");
  if (!files && flag.kind.find("DIR") != std::string::npos) words.emplace_back(":folders");
  if (words.empty()) words.emplace_back(":nothing");
  if (flag.list) words.emplace_back(":list");
  return fmt::format("{}", fmt::join(words, " "));
}

/// A function that echoes a text for each of some words.
class CaseFunction {
 public:
  explicit CaseFunction(const char* name) : text_(fmt::format("\n{}() {{\n  case $1 in\n", name)) {}
  void add(const std::string& word, const std::string& answer) {
    text_ += fmt::format("    '{}') echo '{}' ;;\n", word, answer);
  }
  [[nodiscard]] std::string text() const { return text_ + "  esac\n}\n"; }

 private:
  std::string text_;
};

}  // namespace

std::string bash_completion_script(const std::vector<CommandWords>& words,
                                   const std::vector<CommandFlags>& commands) {
  CaseFunction next("_longhaul_words");
  for (const CommandWords& one : words)
    next.add(one.path, fmt::format("{}", fmt::join(one.words, " ")));
  CaseFunction flags("_longhaul_flags");
  CaseFunction values("_longhaul_values");
  for (const CommandFlags& command : commands) {
    std::vector<std::string> names;
    for (const OptionDescription& flag : command.flags) {
      names.push_back(fmt::format("--{}", flag.name));
      // A flag whose value may be left out takes it after '=' only, or when it is true or false.
      if (flag.kind.empty() || flag.value_optional) continue;
      values.add(fmt::format("{} --{}", command.path, flag.name), candidates(flag));
      if (flag.name == command.positional) {
        values.add(fmt::format("{} :positional", command.path), candidates(flag));
      }
    }
    flags.add(command.path, fmt::format("{}", fmt::join(names, " ")));
  }
  return fmt::format(fmt::runtime(kHead), kVersion) + next.text() + flags.text() + values.text() +
         kBody;
}

}  // namespace longhaul
