#include "checkpoint/publish.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "checkpoint/naming.h"
#include "checkpoint/save_directory.h"
#include "checkpoint/seal.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

fs::path with_suffix(const fs::path& path, const char* suffix) {
  fs::path result = path;
  result += suffix;
  return result;
}

/// Swaps two folders at once; false where the file system cannot.
bool exchange(const fs::path& a, const fs::path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
  const int error = errno;
  if (error == EINVAL || error == ENOSYS || error == EOPNOTSUPP) return false;
  throw UserError(io_error_text(a, "cannot take the place of " + b.filename().string(), error));
}

/// Removes a checkpoint so that it is never seen in part.
void remove_step(const fs::path& step_directory) {
  const fs::path temporary = with_suffix(step_directory, kTemporarySuffix);
  remove_path(temporary);
  rename_path(step_directory, temporary);
  remove_path(temporary);
}

/// Finishes what a crash interrupted and removes half-written folders.
void recover_save_directory(const fs::path& save) {
  std::vector<fs::path> half;
  std::vector<fs::path> replaced;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(save, error)) {
    const fs::path& path = entry.path();
    const std::string base = base_name(path.filename().string());
    const bool ours = step_of_directory_name(base).has_value() || base == kLatestFileName;
    if (ours && path.extension() == kTemporarySuffix) half.push_back(path);
    if (ours && path.extension() == kReplacedSuffix) replaced.push_back(path);
  }
  if (error) throw UserError(io_error_text(save, "cannot be listed", error.value()));
  for (const fs::path& path : replaced) {
    const fs::path final_name = path.parent_path() / path.stem();
    if (holds_checkpoint_files(final_name)) {
      remove_step(path);
    } else {
      rename_path(path, final_name);
    }
  }
  for (const fs::path& path : half) remove_path(path);
  if (!half.empty() || !replaced.empty()) sync_directory(save);
}

}  // namespace

void prepare_save_directory(const fs::path& save) {
  std::error_code error;
  fs::create_directories(save, error);
  if (error) throw UserError(io_error_text(save, "cannot be created", error.value()));
  if (!fs::is_directory(save)) {
    user_error("{}: is not a directory; give another --save", save.string());
  }
  if (::faccessat(AT_FDCWD, save.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    throw UserError(io_error_text(save, "is not writable", errno));
  }
  recover_save_directory(save);
}

fs::path begin_step(const fs::path& save, std::int64_t step) {
  const fs::path temporary = with_suffix(save / step_directory_name(step), kTemporarySuffix);
  remove_path(temporary);
  if (::mkdir(temporary.c_str(), 0777) != 0) {
    throw UserError(io_error_text(temporary, "cannot be created", errno));
  }
  return temporary;
}

void publish_step(const fs::path& save, std::int64_t step) {
  const std::string name = step_directory_name(step);
  const fs::path final_name = save / name;
  const fs::path temporary = with_suffix(final_name, kTemporarySuffix);
  // Written before the folder is renamed: a disk that is full shows here, not halfway.
  const fs::path latest = save / kLatestFileName;
  const fs::path new_latest = with_suffix(latest, kTemporarySuffix);
  write_text_file(new_latest, name + "\n");

  std::error_code none;
  if (!fs::exists(final_name, none)) {
    rename_path(temporary, final_name);
    sync_directory(save);
  } else if (exchange(temporary, final_name)) {
    sync_directory(save);
    remove_path(temporary);  // by now the one that was replaced
  } else {
    const fs::path replaced = with_suffix(final_name, kReplacedSuffix);
    remove_path(replaced);
    rename_path(final_name, replaced);
    rename_path(temporary, final_name);
    sync_directory(save);
    remove_step(replaced);
  }
  rename_path(new_latest, latest);
  sync_directory(save);
}

void make_newest(const fs::path& step_directory) {
  Seal seal = read_seal(step_directory);
  seal.written = utc_now(TimeDigits::nanoseconds);
  replace_seal(step_directory, seal);
  replace_text_file(step_directory.parent_path() / kLatestFileName,
                    step_directory.filename().string() + "\n");
}

void abandon_step(const fs::path& save, std::int64_t step) noexcept {
  std::error_code none;
  const fs::path final_name = save / step_directory_name(step);
  fs::remove_all(with_suffix(final_name, kTemporarySuffix), none);
  fs::remove(with_suffix(save / kLatestFileName, kTemporarySuffix), none);
}

void apply_retention(const fs::path& save, int limit, std::int64_t published) {
  if (limit <= 0) return;
  const std::string latest = read_latest(save);
  const std::string just_published = step_directory_name(published);
  const std::vector<CompleteStep> steps = complete_steps(save);
  for (std::size_t i = static_cast<std::size_t>(limit); i < steps.size(); ++i) {
    const std::string name = steps[i].path.filename().string();
    if (name != latest && name != just_published) remove_step(steps[i].path);
  }
}

}  // namespace longhaul
