#include "app/commands.h"

#include <array>

#include "app/command.h"

namespace longhaul {
namespace {

constexpr std::array kCommands{
    Command{"train", "fine-tune a model on agent conversations", run_train},
    Command{"import", "turn a Hugging Face model into a checkpoint", run_import},
    Command{"export", "turn a checkpoint into a Hugging Face model", run_export},
    Command{"inspect", "show and verify a checkpoint", run_inspect},
    Command{"data", "check, show, encode and render rows as the trainer reads them", run_data},
    Command{"init", "write a model directory with random weights", run_init},
    Command{"bench", "measure kernels, collectives and whole steps on this machine", run_bench},
    Command{"completion", "print a script that completes commands and flags in bash",
            run_completion},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace longhaul
