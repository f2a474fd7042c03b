#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "comm/coordinator.h"
#include "core/log.h"
#include "core/stopwatch.h"
#include "data/files/data_scan.h"

namespace longhaul {

/// What unpacking a data file gave.
struct UnpackedText {
  std::int64_t bytes = 0;
  std::vector<std::int64_t> line_ends;  // newline characters in each block_bytes bytes of it
};

enum class SyncFile : std::uint8_t { no, yes };

/// Unpacks `file` into `target`, which it makes or overwrites, in constant memory. `yes`: what was
/// written has reached the file system's server when it returns. Throws UserError when the data is
/// damaged or has no text, or `target` cannot be written. Calls `beat` for each piece: work goes
/// on.
UnpackedText unpack_file(const DataFile& file, const std::filesystem::path& target,
                         std::int64_t block_bytes, SyncFile sync,
                         const std::function<void()>& beat = {});

/// The texts of packed data files, in temporary files beside a token cache while it is made, so
/// that ranks and threads can share the blocks of one file as they do for plain ones. A packed
/// stream itself can only be read from its beginning, by one thread. The files are removed at the
/// end, also after a failure; those of a killed process by a later writer of the same cache.
class UnpackedFiles {
 public:
  /// Unpacks what is packed, ranks and threads sharing the files, the largest first. Collective;
  /// throws CollectiveError.
  UnpackedFiles(Coordinator& coordinator, const DataScan& scan,
                const std::filesystem::path& cache_file, int threads, const Log& log);

  /// The same files, where blocks and sizes are those of the texts.
  [[nodiscard]] const DataScan& scan() const { return scan_; }
  /// Says now and then that the files are in use. To be called again and again.
  void keep_fresh();

 private:
  /// Removes its files at the end.
  struct Temporaries {
    Temporaries() = default;
    ~Temporaries();
    Temporaries(const Temporaries&) = delete;
    Temporaries& operator=(const Temporaries&) = delete;
    std::vector<std::filesystem::path> paths;
  };

  void share_texts(Coordinator& coordinator, const DataScan& packed,
                   const std::vector<std::size_t>& mine, const std::vector<UnpackedText>& texts);

  DataScan scan_;
  Temporaries mine_;  // this rank's
  Stopwatch watch_;
  double fresh_until_ = 0.0;  // of watch_
};

}  // namespace longhaul
