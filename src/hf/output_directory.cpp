#include "hf/output_directory.h"

#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

constexpr const char* kStagingName = ".longhaul-partial";
constexpr const char* kConfigName = "config.json";

/// Does the directory hold anything but an abandoned staging folder?
bool holds_nothing(const fs::path& directory) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename() != kStagingName) return false;
  }
  return true;
}

bool is_weight_file(const fs::path& path) {
  return path.extension() == ".safetensors" || path.filename() == "model.safetensors.index.json";
}

/// The topmost part of `path` that does not exist.
fs::path first_missing(const fs::path& path) {
  fs::path missing;
  for (fs::path at = path; !at.empty() && !fs::exists(at); at = at.parent_path()) missing = at;
  return missing;
}

}  // namespace

OutputDirectory::OutputDirectory(fs::path path, Overwrite overwrite, const char* flag) {
  if (path.empty()) user_error("{}: no directory given", flag);
  path_ = fs::absolute(path).lexically_normal();
  if (path_.filename().empty()) path_ = path_.parent_path();  // "a/b/"
  staging_ = path_ / kStagingName;
  try {
    if (fs::exists(path_) && !fs::is_directory(path_)) {
      user_error("{} {}: is a file; give a directory", flag, path_.string());
    }
    if (overwrite == Overwrite::no && fs::exists(path_) && !holds_nothing(path_)) {
      user_error(
          "{} {}: is not empty; choose another directory, or give --overwrite true to "
          "replace the model in it",
          flag, path_.string());
    }
    first_created_ = first_missing(path_);
    fs::create_directories(path_);
    fs::remove_all(staging_);
    fs::create_directory(staging_);
  } catch (const fs::filesystem_error& error) {
    throw UserError(
        io_error_text(path_, fmt::format("cannot be used for {}", flag), error.code().value()));
  }
}

OutputDirectory::~OutputDirectory() {
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
  if (published_ || first_created_.empty()) return;
  // remove() takes empty folders only: what others have put there meanwhile stays.
  for (fs::path at = path_;; at = at.parent_path()) {
    if (!fs::remove(at, ignored) || at == first_created_) return;
  }
}

void OutputDirectory::publish() {
  std::vector<fs::path> files;
  std::vector<fs::path> stale;
  try {
    for (const auto& entry : fs::directory_iterator(staging_)) {
      if (entry.path().filename() != kConfigName) files.push_back(entry.path().filename());
    }
    for (const auto& entry : fs::directory_iterator(path_)) {
      if (is_weight_file(entry.path())) stale.push_back(entry.path());
    }
  } catch (const fs::filesystem_error& error) {
    throw UserError(io_error_text(path_, "cannot be listed", error.code().value()));
  }
  if (fs::exists(path_ / kConfigName)) remove_path(path_ / kConfigName);
  for (const fs::path& file : stale) remove_path(file);
  published_ = true;  // from here on, what is there belongs to the user
  for (const fs::path& file : files) rename_path(staging_ / file, path_ / file);
  if (fs::exists(staging_ / kConfigName)) {
    rename_path(staging_ / kConfigName, path_ / kConfigName);
  }
  sync_directory(path_);
}

}  // namespace longhaul
