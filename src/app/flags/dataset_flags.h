#pragma once

#include <filesystem>
#include <string>

#include "app/flags/flag_group.h"
#include "train/dataset_settings.h"

namespace longhaul {

// The flags of DatasetSettings, each declared here alone: train, data prepare and data stats share
// them.

/// Which rows, and how they become packs.
void add_dataset_flags(FlagGroup& flags, DatasetSettings& settings);
/// Packs of a step and of a micro-batch.
void add_batch_flags(FlagGroup& flags, DatasetSettings& settings);
/// How long the run is, and its seed.
void add_run_length_flags(FlagGroup& flags, DatasetSettings& settings);
/// How many ranks share a weight matrix and a stream.
void add_layout_flags(FlagGroup& flags, DatasetSettings& settings);

/// Where the tokenizer of `--model` is: in a Hugging Face directory itself, of a checkpoint beside
/// its steps. Throws UserError when there is no such directory.
std::filesystem::path tokenizer_folder(const std::string& model);

}  // namespace longhaul
