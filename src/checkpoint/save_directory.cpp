#include "checkpoint/save_directory.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <tuple>

#include "checkpoint/naming.h"
#include "checkpoint/reader.h"
#include "checkpoint/seal.h"
#include "core/clock.h"
#include "core/error.h"

namespace longhaul {
namespace fs = std::filesystem;

namespace {

/// When it was written; of a damaged one, the time of its index or folder, in the same form.
std::string time_written(const fs::path& directory) {
  try {
    return read_seal(directory).written;
  } catch (const UserError&) {
    std::error_code none;
    fs::file_time_type time = fs::last_write_time(directory / kIndexFileName, none);
    if (none) time = fs::last_write_time(directory, none);
    if (none) return "";
    const auto when = std::chrono::file_clock::to_sys(time);
    return utc_text(std::chrono::time_point_cast<std::chrono::system_clock::duration>(when),
                    TimeDigits::nanoseconds);
  }
}

}  // namespace

fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

bool holds_checkpoint_files(const fs::path& directory) {
  std::error_code none;
  return fs::is_regular_file(directory / kIndexFileName, none) ||
         fs::is_regular_file(directory / kSealFileName, none);
}

std::vector<CompleteStep> complete_steps(const fs::path& save) {
  std::vector<CompleteStep> steps;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(save, error)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(kReplacedSuffix)) {
      name.erase(name.size() - std::string_view(kReplacedSuffix).size());
      if (holds_checkpoint_files(save / name)) continue;
    }
    const auto step = step_of_directory_name(name);
    if (!step || !holds_checkpoint_files(entry.path())) continue;
    steps.push_back({entry.path(), *step, time_written(entry.path())});
  }
  std::sort(steps.begin(), steps.end(), [](const CompleteStep& a, const CompleteStep& b) {
    return std::tie(a.written, a.step) > std::tie(b.written, b.step);
  });
  return steps;
}

std::string read_latest(const fs::path& save) {
  std::ifstream in(save / kLatestFileName);
  std::string name;
  in >> name;
  return name;
}

std::string recovery_advice(const fs::path& step_directory) {
  const fs::path here = without_trailing_slash(fs::absolute(step_directory).lexically_normal());
  const std::vector<CompleteStep> steps = complete_steps(here.parent_path());
  const auto self = std::find_if(steps.begin(), steps.end(), [&](const CompleteStep& step) {
    return step.path.filename() == here.filename();
  });
  if (self != steps.end() && std::next(self) != steps.end()) {
    return fmt::format("restore the file from a copy, or use the previous checkpoint: --resume {}",
                       std::next(self)->path.string());
  }
  return fmt::format("restore the file from a copy; there is no earlier checkpoint in {}",
                     here.parent_path().string());
}

bool is_checkpoint(const fs::path& path) {
  std::error_code error;
  if (holds_checkpoint_files(path) || fs::is_regular_file(path / kLatestFileName, error)) {
    return true;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    const std::string name = base_name(entry.path().filename().string());
    if (step_of_directory_name(name) && entry.is_directory(error)) return true;
  }
  return false;
}

std::optional<fs::path> find_checkpoint(const fs::path& given, std::string* note) {
  const fs::path path = without_trailing_slash(given);
  if (note != nullptr) note->clear();
  if (path.filename().string().ends_with(kTemporarySuffix)) return std::nullopt;
  if (holds_checkpoint_files(path)) return path;
  const std::vector<CompleteStep> steps = complete_steps(path);
  if (steps.empty()) return std::nullopt;
  const CompleteStep& newest = steps.front();
  const std::string latest = read_latest(path);
  const std::string chosen = newest.path.filename().string();
  if (note != nullptr && latest != chosen) {
    const bool there = std::any_of(steps.begin(), steps.end(), [&](const CompleteStep& step) {
      return step.path.filename() == latest;
    });
    *note = latest.empty() ? fmt::format(
                                 "{} is missing or empty; using the newest complete "
                                 "checkpoint, {}",
                                 (path / kLatestFileName).string(), chosen)
            : there ? fmt::format(
                          "{} names {}, but {} was completed after it and is used; give the "
                          "folder itself to use another",
                          (path / kLatestFileName).string(), latest, chosen)
                    : fmt::format(
                          "{} names {}, which is not there; using the newest complete "
                          "checkpoint, {}",
                          (path / kLatestFileName).string(), latest, chosen);
  }
  return newest.path;
}

fs::path require_checkpoint(const fs::path& given, std::string* note) {
  const fs::path path = without_trailing_slash(given);
  std::error_code none;
  if (!fs::exists(path, none)) user_error("{}: does not exist; check the path", path.string());
  if (!fs::is_directory(path, none)) {
    user_error("{}: is not a directory; give a save directory or one of its step_... folders",
               path.string());
  }
  if (path.filename().string().ends_with(kTemporarySuffix)) {
    user_error(
        "{}: is half a checkpoint: its writing was interrupted; give the save directory {} "
        "to use the newest complete one",
        path.string(), path.parent_path().string());
  }
  if (auto found = find_checkpoint(path, note)) return *found;
  if (is_checkpoint(path)) {
    user_error(
        "{}: holds no complete checkpoint yet; wait for the first one or give another "
        "directory",
        path.string());
  }
  user_error(
      "{}: is neither a checkpoint nor a save directory with checkpoints (no {} and no "
      "step_... folders in it); check the path",
      path.string(), kIndexFileName);
}

}  // namespace longhaul
