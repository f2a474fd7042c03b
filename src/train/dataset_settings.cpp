#include "train/dataset_settings.h"

#include "core/error.h"

namespace longhaul {

void DatasetSettings::validate_dataset() const {
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

void add_dataset_options(OptionGroup& group, DatasetSettings& o) {
  group
      .add("dataset", &o.dataset, "FILE...",
           "conversations, JSON lines; one or more files; FILE#N takes N rows of it, drawn at "
           "random")
      .needed("a JSON-lines file of conversations");
  group.add("val_dataset", &o.val_dataset, "FILE", "conversations to evaluate on");
  group
      .add("split_dataset_ratio", &o.split_dataset_ratio, "R",
           "share of the data set to evaluate on instead of training")
      .from_to_below(0.0, 1.0);
  group.add("max_length", &o.max_length, "N", "tokens of a pack, and of the longest sample")
      .at_least(2);
  group
      .add("packing", &o.packing, one_of(kPackingModes),
           "true: several samples in a pack; balanced: so that ranks share work evenly, too; "
           "false: one sample a pack")
      .parsed_by(parse_packing);
  group.add("truncation_strategy", &o.truncation_strategy, one_of(kTruncationStrategies),
            "what happens to samples above max_length; left keeps the end, right the beginning, "
            "error stops");
  group.add("strict", &o.strict, "stop at the first row that cannot be used");
  group.add("token_cache_dir", &o.token_cache_dir, "DIR",
            "where tokenized data is kept (default: SAVE/cache)");
}

void add_batch_options(OptionGroup& group, DatasetSettings& o) {
  group
      .add("micro_bs", &o.micro_bs, "N",
           "packs of a micro-batch, at most; lowered when memory is short")
      .at_least(1);
  group.add("global_bs", &o.global_bs, "N", "packs of an optimizer step").at_least(1);
}

void add_run_length_options(OptionGroup& group, DatasetSettings& o) {
  group
      .add("epochs", &o.epochs, "N", "passes over the data; 1 when train_iters is not given either")
      .at_least(1);
  group.add("train_iters", &o.train_iters, "N", "steps; with epochs: whichever ends first")
      .at_least(1);
  group.add("seed", &o.seed, "N", "seed of the order of the data");
}

void add_layout_options(OptionGroup& group, DatasetSettings& o) {
  group
      .add("tensor_model_parallel_size", &o.tensor_model_parallel_size, "N",
           "ranks that share each weight matrix; 0: chosen")
      .at_least(0);
  group
      .add("context_parallel_size", &o.context_parallel_size, "N",
           "ranks that share each token stream; 0: chosen")
      .at_least(0);
}

}  // namespace longhaul
