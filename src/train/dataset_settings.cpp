#include "train/dataset_settings.h"

#include "core/error.h"

namespace longhaul {

void check_flag_at_least(const char* flag, std::int64_t value, std::int64_t minimum) {
  if (value < minimum) user_error("--{} {}: must be at least {}", flag, value, minimum);
}

void DatasetSettings::validate_dataset() const {
  if (dataset.empty()) user_error("--dataset is missing: a JSON-lines file of conversations");
  check_flag_at_least("max_length", max_length, 2);
  parse_truncation_strategy(truncation_strategy);
  parse_packing(packing);
  check_flag_at_least("micro_bs", micro_bs, 1);
  check_flag_at_least("global_bs", global_bs, 1);
  check_flag_at_least("tensor_model_parallel_size", tensor_model_parallel_size, 0);
  check_flag_at_least("context_parallel_size", context_parallel_size, 0);
  check_flag_at_least("threads", threads, 0);
  if (train_iters) check_flag_at_least("train_iters", *train_iters, 1);
  if (epochs) check_flag_at_least("epochs", *epochs, 1);
  if (!(split_dataset_ratio >= 0.0 && split_dataset_ratio < 1.0)) {
    user_error("--split_dataset_ratio {}: must be at least 0 and below 1", split_dataset_ratio);
  }
  if (split_dataset_ratio > 0 && !val_dataset.empty()) {
    user_error("--val_dataset and --split_dataset_ratio {} exclude each other: keep one",
               split_dataset_ratio);
  }
}

RunPlan DatasetSettings::run_plan(const ParallelLayout& layout) const {
  return {.global_bs = global_bs,
          .micro_bs = micro_bs,
          .epochs = epochs,
          .train_iters = train_iters,
          .layout = layout};
}

DatasetOptions DatasetSettings::dataset_options(const ParallelLayout& layout) const {
  DatasetOptions data;
  for (const std::string& file : dataset) data.files.push_back(parse_data_source(file));
  if (!val_dataset.empty()) data.validation_files.push_back(parse_data_source(val_dataset));
  data.split_dataset_ratio = split_dataset_ratio;
  data.seed = seed;
  data.max_length = max_length;
  data.truncation = parse_truncation_strategy(truncation_strategy);
  data.packing = parse_packing(packing);
  data.rejections = strict ? RejectionPolicy::stop : RejectionPolicy::list;
  data.save_dir = save;
  data.token_cache_dir = token_cache_dir;
  data.threads = threads;
  data.run = run_plan(layout);
  return data;
}

}  // namespace longhaul
