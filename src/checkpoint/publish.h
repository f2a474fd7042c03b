#pragma once

#include <cstdint>
#include <filesystem>

namespace longhaul {

// The steps that make a checkpoint appear in a save directory whole or not at all. They are for
// one rank (rank 0); a crash between any two leaves every complete checkpoint in place, and
// prepare_save_directory() tidies up. All throw UserError when the system refuses.

/// Creates the save directory, checks that it is writable, finishes what a crash interrupted and
/// removes half-written folders.
void prepare_save_directory(const std::filesystem::path& save);

/// Creates the empty folder step_00000050.tmp and returns its path.
std::filesystem::path begin_step(const std::filesystem::path& save, std::int64_t step);

/// Gives a finished step_00000050.tmp its final name, taking the place of a checkpoint of the same
/// step if there is one, and makes `latest` name it. Everything in it must be on disk.
void publish_step(const std::filesystem::path& save, std::int64_t step);

/// Makes an older complete checkpoint of a save directory its newest one, so that a run that goes
/// on from it is continued, and not what came after it. Only the time in its seal and `latest`
/// change.
void make_newest(const std::filesystem::path& step_directory);

/// Removes what a failed attempt has left; never throws, since an error is being reported already.
void abandon_step(const std::filesystem::path& save, std::int64_t step) noexcept;

/// Removes all but the `limit` complete checkpoints written last; 0 keeps all. The one of
/// `published` and the one that `latest` names always stay.
void apply_retention(const std::filesystem::path& save, int limit, std::int64_t published);

}  // namespace longhaul
