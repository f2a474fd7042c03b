#include "data/batches/dataset_options.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

namespace longhaul {

int tokenizing_threads(const Coordinator& coordinator, const DatasetOptions& options) {
  if (options.threads > 0) return options.threads;
  // A process that may use all cores of its host shares them with the other ranks there; one that
  // was bound to some has them to itself.
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  const auto allowed = static_cast<long>(std::thread::hardware_concurrency());
  const long share = allowed < online ? allowed : allowed / coordinator.local_size();
  return static_cast<int>(std::clamp<long>(share, 1, 64));
}

std::vector<std::filesystem::path> data_paths(const DatasetOptions& options) {
  std::vector<std::filesystem::path> paths;
  for (const auto* sources : {&options.files, &options.validation_files}) {
    for (const DataSource& source : *sources) paths.push_back(source.path);
  }
  return paths;
}

}  // namespace longhaul
