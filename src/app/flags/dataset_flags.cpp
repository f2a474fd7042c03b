#include "app/flags/dataset_flags.h"

#include "checkpoint/reader.h"
#include "core/error.h"
#include "hf/tokenizer_files.h"

namespace longhaul {

void add_dataset_flags(FlagGroup& flags, DatasetSettings& o) {
  flags.list("dataset", &o.dataset, "FILE...",
             "conversations, JSON lines; one or more files; FILE#N takes N rows of it, drawn at "
             "random");
  flags.plain("val_dataset", &o.val_dataset, "FILE", "conversations to evaluate on");
  flags.value("split_dataset_ratio", &o.split_dataset_ratio, "R",
              "share of the data set to evaluate on instead of training");
  flags.value("max_length", &o.max_length, "N", "tokens of a pack, and of the longest sample");
  flags.value("packing", &o.packing, "true|balanced|false",
              "true: several samples in a pack; balanced: so that ranks share work evenly, too; "
              "false: one sample a pack");
  flags.value("truncation_strategy", &o.truncation_strategy, "delete|left|right|error",
              "what happens to samples above max_length; left keeps the end, right the beginning, "
              "error stops");
  flags.value("strict", &o.strict, "true|false", "stop at the first row that cannot be used");
  flags.plain("token_cache_dir", &o.token_cache_dir, "DIR",
              "where tokenized data is kept (default: SAVE/cache)");
}

void add_batch_flags(FlagGroup& flags, DatasetSettings& o) {
  flags.value("micro_bs", &o.micro_bs, "N",
              "packs of a micro-batch, at most; lowered when memory is short");
  flags.value("global_bs", &o.global_bs, "N", "packs of an optimizer step");
}

void add_run_length_flags(FlagGroup& flags, DatasetSettings& o) {
  flags.optional("epochs", &o.epochs, "N",
                 "passes over the data; 1 when train_iters is not given either");
  flags.optional("train_iters", &o.train_iters, "N", "steps; with epochs: whichever ends first");
  flags.value("seed", &o.seed, "N", "seed of the order of the data");
}

void add_layout_flags(FlagGroup& flags, DatasetSettings& o) {
  flags.value("tensor_model_parallel_size", &o.tensor_model_parallel_size, "N",
              "ranks that share each weight matrix; 0: chosen");
  flags.value("context_parallel_size", &o.context_parallel_size, "N",
              "ranks that share each token stream; 0: chosen");
}

std::filesystem::path tokenizer_folder(const std::string& model) {
  if (model.empty()) {
    user_error("--model is missing: a Hugging Face model directory or a checkpoint");
  }
  if (!std::filesystem::exists(model)) user_error("--model {}: no such directory", model);
  if (!is_checkpoint(model)) return model;
  const auto step = find_checkpoint(model);
  if (!step) user_error("--model {}: this save directory holds no complete checkpoint", model);
  return step->parent_path() / kTokenizerFolder;
}

}  // namespace longhaul
