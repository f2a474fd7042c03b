#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/options/option_table.h"
#include "data/template/encoding_settings.h"
#include "train/dataset_settings.h"
#include "train/optimizer/learning_rate.h"
#include "train/optimizer/sharded_adamw.h"

namespace longhaul {

/// Everything that `longhaul train` can be told, under the names of its flags.
struct TrainOptions : DatasetSettings {
  // Model and data
  std::string model;
  EncodingSettings encoding;

  // Layout
  std::string backend = "auto";
  int pipeline_model_parallel_size = 1;
  std::string recompute_granularity = "auto";
  int ranks_per_gpu = 1;
  bool deterministic = false;
  std::string attention_backend = "auto";
  std::string gemm_cache_file = "auto";

  // Optimizer
  double lr = 1e-5;
  double min_lr = 0.0;
  std::string lr_decay_style = "cosine";
  double lr_warmup_fraction = 0.0;
  std::int64_t lr_warmup_iters = 0;
  double weight_decay = 0.1;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.95;
  double adam_eps = 1e-8;
  double clip_grad = 1.0;
  int max_skipped_steps = 10;

  // Checks before a run
  std::string preflight = "full";
  bool preflight_only = false;

  // Checkpoints, evaluation, log
  std::string resume = "auto";
  std::int64_t save_interval = 50;
  int save_total_limit = 0;
  std::int64_t eval_interval = 0;  // 0: as save_interval
  std::int64_t log_interval = 1;
  int port = 29900;

  // Failures; seconds
  double comm_timeout = 600.0;
  double startup_timeout = 120.0;
  double straggler_factor = 1.5;

  /// Throws UserError for values that contradict each other, naming the flags. What each may be
  /// alone is in its row of the table.
  void validate() const;
  [[nodiscard]] AdamWOptions adamw() const;
  /// All flags and their values as a JSON object text: what a checkpoint and TensorBoard record.
  [[nodiscard]] std::string to_json() const;
};

/// The flags of `longhaul train`, which store into `options`. A further flag is a member above and
/// a row here.
OptionTable train_option_table(TrainOptions& options);

/// Rows for the flags that choose the backend, which `longhaul bench` has too.
void add_backend_options(OptionGroup& group, TrainOptions& options);

}  // namespace longhaul
