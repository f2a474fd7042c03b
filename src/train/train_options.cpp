#include "train/train_options.h"

#include "core/error.h"
#include "core/json.h"
#include "model/recomputation.h"

namespace longhaul {
namespace {

std::string timeout_problem(double seconds) {
  constexpr double kLongest = 30.0 * 86400.0;
  if (seconds == 0.0 || (seconds >= 1.0 && seconds <= kLongest)) return "";
  return fmt::format("must be a number of seconds from 1 to {:.0f}, or 0 for no limit", kLongest);
}

std::string straggler_problem(double factor) {
  if (factor == 0.0 || (factor > 1.0 && factor < 1e6)) return "";
  return "must be above 1 (how many times the median a slow rank takes), or 0 to look for none";
}

std::string pipeline_problem(int size) {
  if (size == 1) return "";
  return "only 1 is supported; raise --tensor_model_parallel_size or --context_parallel_size "
         "instead";
}

void add_data_options(OptionTable& table, TrainOptions& o) {
  OptionGroup data(table, "Model and data");
  data.add("model", &o.model, "DIR",
           "Hugging Face model directory, or a checkpoint to take weights from")
      .needed("a Hugging Face model directory or a checkpoint");
  add_dataset_options(data, o);
  add_encoding_options(data, o.encoding);
}

void add_memory_options(OptionTable& table, TrainOptions& o) {
  OptionGroup layout(table, "Layout and memory");
  add_layout_options(layout, o);
  layout
      .add("pipeline_model_parallel_size", &o.pipeline_model_parallel_size, "N",
           "only 1 is supported")
      .check(pipeline_problem);
  add_batch_options(layout, o);
  layout.add("recompute_granularity", &o.recompute_granularity, one_of({"auto"}, kRecomputeModes),
             "which activations are computed again in the backward pass; auto: the fewest that "
             "make the run fit");
  add_backend_options(layout, o);
}

void add_optimizer_options(OptionTable& table, TrainOptions& o) {
  OptionGroup optimizer(table, "Optimizer");
  add_run_length_options(optimizer, o);
  optimizer.add("lr", &o.lr, "X", "highest learning rate").from_to_below(0.0, 1e6);
  optimizer.add("min_lr", &o.min_lr, "X", "learning rate at the end").from_to_below(0.0, 1e6);
  optimizer.add("lr_decay_style", &o.lr_decay_style, one_of(kDecayStyles),
                "how the learning rate falls from lr to min_lr");
  optimizer
      .add("lr_warmup_fraction", &o.lr_warmup_fraction, "R",
           "share of the run with rising learning rate")
      .from_to_below(0.0, 1.0);
  optimizer.add("lr_warmup_iters", &o.lr_warmup_iters, "N", "the same as a number of steps")
      .at_least(0);
  optimizer
      .add("weight_decay", &o.weight_decay, "X",
           "decoupled weight decay, on matrices, not on norms and biases")
      .from_to_below(0.0, 1e6);
  optimizer.add("adam_beta1", &o.adam_beta1, "X", "decay of AdamW's first moment")
      .from_to_below(0.0, 1.0);
  optimizer.add("adam_beta2", &o.adam_beta2, "X", "decay of AdamW's second moment")
      .from_to_below(0.0, 1.0);
  optimizer
      .add("adam_eps", &o.adam_eps, "X",
           "AdamW's epsilon, added to the square root of the second moment")
      .above(0.0);
  optimizer.add("clip_grad", &o.clip_grad, "X", "largest gradient norm; 0: no clipping")
      .from_to_below(0.0, 1e30);
  optimizer
      .add("max_skipped_steps", &o.max_skipped_steps, "N",
           "stop after so many steps in a row without a finite loss")
      .at_least(1);
}

void add_failure_options(OptionTable& table, TrainOptions& o) {
  OptionGroup failures(table, "Failures");
  failures
      .add("comm_timeout", &o.comm_timeout, "SECONDS",
           "end the job, naming who is missing, when ranks have waited so long in a collective "
           "for one that does not come on; a rank whose process is stopped or cut off is "
           "noticed after 20 s at the latest; 0: wait for ever")
      .check(timeout_problem);
  failures
      .add("startup_timeout", &o.startup_timeout, "SECONDS",
           "the same for the short agreements before the first step; 0: wait for ever")
      .check(timeout_problem);
  failures
      .add("straggler_factor", &o.straggler_factor, "X",
           "name ranks that compute so many times as long as the median; 0: look for none")
      .check(straggler_problem);
}

void add_preflight_options(OptionTable& table, TrainOptions& o) {
  OptionGroup start(table, "Checks before the run");
  start.add("preflight", &o.preflight, one_of({"full", "quick", "off"}),
            "check hosts, files, memory and disk before anything is loaded; quick: without the "
            "bandwidth between ranks; off: not at all");
  start.toggle("preflight_only", &o.preflight_only,
               "stop after these checks: exit code 0 when the run could start, else 2; nothing is "
               "left in SAVE");
}

void add_file_options(OptionTable& table, TrainOptions& o) {
  OptionGroup files(table, "Checkpoints and logs");
  files.add("save", &o.save, "DIR", "directory for checkpoints and logs")
      .needed("the directory for checkpoints and logs");
  files.add("resume", &o.resume, one_of({"auto", "none"}, "PATH"),
            "auto: continue from the newest checkpoint in SAVE, if any; none: start anew in an "
            "empty SAVE; PATH: a checkpoint or save directory");
  files
      .add("save_interval", &o.save_interval, "N",
           "steps between checkpoints; the last step always has one")
      .at_least(1);
  files.add("save_total_limit", &o.save_total_limit, "N", "checkpoints to keep, the newest; 0: all")
      .at_least(0);
  files.add("eval_interval", &o.eval_interval, "N", "steps between evaluations; 0: save_interval")
      .at_least(0);
  files.add("log_interval", &o.log_interval, "N", "on a terminal: steps between permanent lines")
      .at_least(1);
  files
      .add("port", &o.port, "N",
           "first of the TCP ports that launchers and GPU communication use; the CPU backend "
           "needs none")
      .between(1, 65535);
}

}  // namespace

OptionTable train_option_table(TrainOptions& options) {
  OptionTable table;
  add_data_options(table, options);
  add_memory_options(table, options);
  add_optimizer_options(table, options);
  add_failure_options(table, options);
  add_preflight_options(table, options);
  add_file_options(table, options);
  return table;
}

void add_backend_options(OptionGroup& group, TrainOptions& o) {
  group.add("backend", &o.backend, one_of({"auto", "cpu", "cuda"}),
            "what computes; auto: the GPUs, where every rank has one");
  group
      .add("ranks_per_gpu", &o.ranks_per_gpu, "N",
           "ranks that share a GPU: for trying layouts out, not for speed")
      .at_least(1);
  group.add("deterministic", &o.deterministic, "on GPUs: the same bits every run; costs speed");
  group.add("attention_backend", &o.attention_backend, one_of({"auto", "cudnn", "flash"}),
            "on GPUs: cudnn, flash (our own kernel), or auto (cuDNN unless it is missing or "
            "--deterministic is true)");
  group.add("gemm_cache_file", &o.gemm_cache_file, one_of({"auto", "none"}, "FILE"),
            "where the fastest algorithms of matrix products are remembered; auto: "
            "~/.cache/longhaul; none: nowhere");
  group
      .add("threads", &o.threads, "N",
           "CPU threads of a rank; 0: OMP_NUM_THREADS, else cores / ranks of the host")
      .at_least(0);
}

void TrainOptions::validate() const {
  validate_dataset();
  (void)encoding.parse();
  if (min_lr > lr) user_error("--min_lr {} is above --lr {}", min_lr, lr);
  if (lr_warmup_fraction > 0 && lr_warmup_iters > 0) {
    user_error("--lr_warmup_fraction {} and --lr_warmup_iters {} exclude each other: keep one",
               lr_warmup_fraction, lr_warmup_iters);
  }
  if (preflight_only && preflight == "off") {
    user_error("--preflight_only and --preflight off exclude each other: keep one");
  }
}

AdamWOptions TrainOptions::adamw() const {
  return {adam_beta1, adam_beta2, adam_eps, weight_decay};
}

std::string TrainOptions::to_json() const {
  TrainOptions copy = *this;  // the rows of a table may be stored into
  return train_option_table(copy).to_json();
}

}  // namespace longhaul
