#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace longhaul {

/// A complete checkpoint in a save directory.
struct CompleteStep {
  std::filesystem::path path;
  std::int64_t step = 0;
  std::string written;  // as Seal::written
};

/// The complete checkpoints of a save directory, the one written last first (which is not always
/// the highest step: a run may have been resumed from an earlier one). A folder is complete when it
/// has its final name: it gets it by a rename after everything in it is on disk. Folders that are
/// being written or deleted are left out; one whose replacement was interrupted counts.
std::vector<CompleteStep> complete_steps(const std::filesystem::path& save);

/// What <save>/latest names; empty without that file.
std::string read_latest(const std::filesystem::path& save);

/// "a/step_00000050" of "a/step_00000050/".
std::filesystem::path without_trailing_slash(const std::filesystem::path& path);

/// Does the folder hold files of a checkpoint?
bool holds_checkpoint_files(const std::filesystem::path& directory);

/// What to do about a damaged checkpoint: names the next older complete one next to it, if any.
std::string recovery_advice(const std::filesystem::path& step_directory);

}  // namespace longhaul
