#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/batches/length_policy.h"
#include "data/batches/packing.h"
#include "data/batches/run_plan.h"
#include "data/cache/cache_builder.h"
#include "data/files/data_scan.h"
#include "data/files/data_source.h"

namespace longhaul {

struct DatasetOptions {
  std::vector<DataSource> files;             // --dataset
  std::vector<DataSource> validation_files;  // --val_dataset; then no row is split off
  double split_dataset_ratio = 0.0;
  std::uint64_t seed = 42;
  std::int64_t max_length = 0;  // tokens of a pack, and so of a sample
  TruncationStrategy truncation = TruncationStrategy::remove;
  PackingMode packing = PackingMode::first_fit_decreasing;
  RejectionPolicy rejections = RejectionPolicy::list;  // --strict
  std::filesystem::path save_dir;          // gets rejected.jsonl; empty: none is written
  std::filesystem::path token_cache_dir;   // empty: <save_dir>/cache
  int threads = 0;                         // for tokenizing on this rank; 0: its share of the cores
  std::int64_t block_bytes = kBlockBytes;  // part of the cache's key; only tests change it
  RunPlan run;                             // what data_report.json says of steps
  /// Gets the console table of the data; unset: it goes to the log.
  std::function<void(const std::string&)> show_table;
};

/// Threads for tokenizing on this rank: what the options say, else its share of the host's cores.
int tokenizing_threads(const Coordinator& coordinator, const DatasetOptions& options);

/// The paths of all data files, those for validation last.
std::vector<std::filesystem::path> data_paths(const DatasetOptions& options);

}  // namespace longhaul
