#include "data/files/cache_temporary.h"

#include <unistd.h>

#include <chrono>

#include "core/error.h"
#include "core/host_name.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

/// A temporary file that nobody has written to for this long was left by a killed writer.
constexpr auto kAbandonedAfter = std::chrono::hours(1);

}  // namespace

fs::path cache_temporary(const fs::path& cache_file, std::string_view part) {
  return cache_file.string() + fmt::format(".{}-{}{}.tmp", host_name(), getpid(), part);
}

void remove_abandoned_temporaries(const fs::path& cache_file) {
  const std::string prefix = cache_file.filename().string() + ".";
  std::error_code ignored;  // somebody else may be removing them, too
  for (const auto& entry : fs::directory_iterator(cache_file.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
    const auto written = entry.last_write_time(ignored);
    if (!ignored && fs::file_time_type::clock::now() - written > kAbandonedAfter) {
      fs::remove(entry.path(), ignored);
    }
  }
}

}  // namespace longhaul
