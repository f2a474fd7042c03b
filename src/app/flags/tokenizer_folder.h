#pragma once

#include <filesystem>
#include <string>

namespace longhaul {

/// Where the tokenizer of `--model` is: in a Hugging Face directory itself, of a checkpoint beside
/// its steps. Throws UserError when there is no such directory.
std::filesystem::path tokenizer_folder(const std::string& model);

}  // namespace longhaul
