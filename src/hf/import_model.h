#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hf/tokenizer_files.h"
#include "model/model_config.h"

namespace longhaul {

struct ImportReport {
  ModelConfig config;
  std::filesystem::path checkpoint;  // the step_... folder
  std::size_t tensors = 0;
  std::int64_t bytes = 0;
  std::vector<std::string> tokenizer_files;
  std::vector<std::string> notes;
};

/// Turns a Hugging Face model directory into the checkpoint of step 0 in `save`: the weights alone,
/// each in the dtype that it has, and the tokenizer's files in <save>/tokenizer. Refuses a save
/// directory that already has a checkpoint. Throws UserError; on failure no checkpoint appears.
ImportReport import_model(const std::filesystem::path& model, const std::filesystem::path& save);

}  // namespace longhaul
