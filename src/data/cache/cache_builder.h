#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "comm/coordinator.h"
#include "core/log.h"
#include "data/cache/row_batch.h"
#include "data/files/data_scan.h"

namespace longhaul {

/// What names a token cache: a hash of the files' base names and content, of everything else that
/// decides what rows become, and of the version of the format.
std::string token_cache_key(const DataScan& scan, const SampleEncoder& encoder);

enum class RejectionPolicy : std::uint8_t {
  list,  // a row that cannot be used is counted and listed
  stop,  // --strict true: it ends the run
};

struct CacheBuildOptions {
  int threads = 1;  // of this rank
  RejectionPolicy rejections = RejectionPolicy::list;
};

/// The error that --strict true stops with.
[[noreturn]] void stop_at_rejection(const DataScan& scan, const CachedRejection& rejection);

/// How much text was tokenized, and how long that took.
struct TokenizedBytes {
  std::int64_t bytes = 0;
  double seconds = 0.0;
};

/// Tokenizes all rows; rank 0 gets them through `use`, block by block in file order. Packed files
/// are unpacked first, into temporary files with names that begin with `beside`. Collective.
/// Memory: a few blocks a thread, and on rank 0 what all ranks make of one block a thread. Throws
/// CollectiveError.
TokenizedBytes encode_rows(Coordinator& coordinator, const DataScan& scan,
                           const SampleEncoder& encoder, const std::filesystem::path& beside,
                           const CacheBuildOptions& options, const Log& log,
                           const std::function<void(const RowBatch&)>& use);

/// Tokenizes all rows and writes the cache `file`; its folder exists. Collective: ranks take blocks
/// in turn and rank 0 writes their results as they arrive, in file order, so the cache is the same
/// for any number of ranks and threads. Packed files are unpacked beside it first. Throws
/// CollectiveError.
void build_token_cache(Coordinator& coordinator, const DataScan& scan, const SampleEncoder& encoder,
                       const std::filesystem::path& file, const std::string& key,
                       const CacheBuildOptions& options, const Log& log);

}  // namespace longhaul
