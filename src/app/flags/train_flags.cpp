#include "app/flags/train_flags.h"

#include "app/flags/dataset_flags.h"
#include "app/flags/encoding_flags.h"
#include "app/flags/flag_group.h"

namespace longhaul {
void add_backend_flags(OptionParser& parser, const char* heading, TrainOptions& o) {
  FlagGroup flags(parser, heading);
  flags.value("backend", &o.backend, "auto|cpu|cuda",
              "what computes; auto: the GPUs, where every rank has one");
  flags.value("ranks_per_gpu", &o.ranks_per_gpu, "N",
              "ranks that share a GPU: for trying layouts out, not for speed");
  flags.value("deterministic", &o.deterministic, "true|false",
              "on GPUs: the same bits every run; costs speed");
  flags.value("attention_backend", &o.attention_backend, "auto|cudnn|flash",
              "on GPUs: cudnn, flash (our own kernel), or auto (cuDNN unless it is missing or "
              "--deterministic is true)");
  flags.value("gemm_cache_file", &o.gemm_cache_file, "auto|none|FILE",
              "where the fastest algorithms of matrix products are remembered; auto: "
              "~/.cache/longhaul; none: nowhere");
  flags.value("threads", &o.threads, "N",
              "CPU threads of a rank; 0: OMP_NUM_THREADS, else cores / ranks of the host");
}

void add_train_flags(OptionParser& parser, TrainOptions& o) {
  FlagGroup data(parser, "Model and data");
  data.plain("model", &o.model, "DIR",
             "Hugging Face model directory, or a checkpoint to take weights from");
  add_dataset_flags(data, o);
  add_encoding_flags(data, o.encoding);

  FlagGroup layout(parser, "Layout and memory");
  add_layout_flags(layout, o);
  layout.value("pipeline_model_parallel_size", &o.pipeline_model_parallel_size, "N",
               "only 1 is supported");
  add_batch_flags(layout, o);
  layout.value("recompute_granularity", &o.recompute_granularity, "auto|none|selective|full",
               "which activations are computed again in the backward pass; auto: the fewest that "
               "make the run fit");
  add_backend_flags(parser, "Layout and memory", o);

  FlagGroup optimizer(parser, "Optimizer");
  add_run_length_flags(optimizer, o);
  optimizer.value("lr", &o.lr, "X", "highest learning rate");
  optimizer.value("min_lr", &o.min_lr, "X", "learning rate at the end");
  optimizer.value("lr_decay_style", &o.lr_decay_style, "cosine|linear|constant",
                  "how the learning rate falls from lr to min_lr");
  optimizer.value("lr_warmup_fraction", &o.lr_warmup_fraction, "R",
                  "share of the run with rising learning rate");
  optimizer.value("lr_warmup_iters", &o.lr_warmup_iters, "N", "the same as a number of steps");
  optimizer.value("weight_decay", &o.weight_decay, "X",
                  "decoupled weight decay, on matrices, not on norms and biases");
  optimizer.value("adam_beta1", &o.adam_beta1, "X", "decay of AdamW's first moment");
  optimizer.value("adam_beta2", &o.adam_beta2, "X", "decay of AdamW's second moment");
  optimizer.value("adam_eps", &o.adam_eps, "X",
                  "AdamW's epsilon, added to the square root of the second moment");
  optimizer.value("clip_grad", &o.clip_grad, "X", "largest gradient norm; 0: no clipping");
  optimizer.value("max_skipped_steps", &o.max_skipped_steps, "N",
                  "stop after so many steps in a row without a finite loss");

  FlagGroup failures(parser, "Failures");
  failures.value(
      "comm_timeout", &o.comm_timeout, "SECONDS",
      "end the job, naming who is missing, when ranks have waited so long in a collective "
      "for one that does not come on; a rank whose process is stopped or cut off is "
      "noticed after 20 s at the latest; 0: wait for ever");
  failures.value("startup_timeout", &o.startup_timeout, "SECONDS",
                 "the same for the short agreements before the first step; 0: wait for ever");
  failures.value("straggler_factor", &o.straggler_factor, "X",
                 "name ranks that compute so many times as long as the median; 0: look for none");
  FlagGroup start(parser, "Checks before the run");
  start.value("preflight", &o.preflight, "full|quick|off",
              "check hosts, files, memory and disk before anything is loaded; quick: without the "
              "bandwidth between ranks; off: not at all");
  start.toggle("preflight_only", &o.preflight_only,
               "stop after these checks: exit code 0 when the run could start, else 2; nothing is "
               "left in SAVE");

  FlagGroup files(parser, "Checkpoints and logs");
  files.plain("save", &o.save, "DIR", "directory for checkpoints and logs");
  files.value("resume", &o.resume, "auto|none|PATH",
              "auto: continue from the newest checkpoint in SAVE, if any; none: start anew in an "
              "empty SAVE; PATH: a checkpoint or save directory");
  files.value("save_interval", &o.save_interval, "N",
              "steps between checkpoints; the last step always has one");
  files.value("save_total_limit", &o.save_total_limit, "N",
              "checkpoints to keep, the newest; 0: all");
  files.value("eval_interval", &o.eval_interval, "N",
              "steps between evaluations; 0: save_interval");
  files.value("log_interval", &o.log_interval, "N", "on a terminal: steps between permanent lines");
  files.value("port", &o.port, "N",
              "first of the TCP ports that launchers and GPU communication use; the CPU backend "
              "needs none");
}

}  // namespace longhaul
