#include "app/flags/tokenizer_folder.h"

#include "checkpoint/reader.h"
#include "core/error.h"
#include "hf/tokenizer_files.h"

namespace longhaul {

std::filesystem::path tokenizer_folder(const std::string& model) {
  if (!std::filesystem::exists(model)) user_error("--model {}: no such directory", model);
  if (!is_checkpoint(model)) return model;
  const auto step = find_checkpoint(model);
  if (!step) user_error("--model {}: this save directory holds no complete checkpoint", model);
  return step->parent_path() / kTokenizerFolder;
}

}  // namespace longhaul
