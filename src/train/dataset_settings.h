#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/process_grid.h"
#include "core/options/option_table.h"
#include "data/batches/dataset_options.h"

namespace longhaul {

/// What decides which rows are trained on, and in which order, under the names of the flags:
/// `longhaul train`, `data prepare` and `data stats` have them in common.
struct DatasetSettings {
  std::vector<std::string> dataset;
  std::string val_dataset;
  double split_dataset_ratio = 0.0;
  std::int64_t max_length = 64000;
  std::string packing = "true";
  std::string truncation_strategy = "delete";
  bool strict = false;
  std::string token_cache_dir;
  std::string save;

  // Steps
  std::int64_t micro_bs = 8;
  std::int64_t global_bs = 64;
  std::optional<std::int64_t> epochs;       // neither given: one epoch
  std::optional<std::int64_t> train_iters;  // both given: whichever ends first
  std::uint64_t seed = 42;

  // Ranks
  int tensor_model_parallel_size = 0;  // 0: chosen
  int context_parallel_size = 0;
  int threads = 0;  // per rank; 0: the host's cores divided by its ranks

  /// Throws UserError for values that contradict each other, naming the flags.
  void validate_dataset() const;
  [[nodiscard]] RunPlan run_plan(const ParallelLayout& layout) const;
  /// Throws UserError for a bad path#N.
  [[nodiscard]] DatasetOptions dataset_options(const ParallelLayout& layout) const;
};

// Rows for flags of DatasetSettings, each here alone.

/// Which rows of data, and how they become packs.
void add_dataset_options(OptionGroup& group, DatasetSettings& settings);
/// Packs of a step and of a micro-batch.
void add_batch_options(OptionGroup& group, DatasetSettings& settings);
/// How long the run is, and its seed.
void add_run_length_options(OptionGroup& group, DatasetSettings& settings);
/// How many ranks share a weight matrix and a stream.
void add_layout_options(OptionGroup& group, DatasetSettings& settings);

}  // namespace longhaul
