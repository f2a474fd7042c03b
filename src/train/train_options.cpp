#include "train/train_options.h"

#include <cmath>

#include "core/error.h"
#include "core/json.h"
#include "model/recomputation.h"

namespace longhaul {
namespace {

void check_range(const char* flag, double value, double low, double high) {
  if (!(value >= low && value < high)) {
    user_error("--{} {}: must be at least {} and below {}", flag, value, low, high);
  }
}

void check_timeout(const char* flag, double seconds) {
  constexpr double kLongest = 30.0 * 86400.0;
  if (!(seconds == 0.0 || (seconds >= 1.0 && seconds <= kLongest))) {
    user_error("--{} {}: must be a number of seconds from 1 to {:.0f}, or 0 for no limit", flag,
               seconds, kLongest);
  }
}

}  // namespace

void TrainOptions::validate() const {
  if (model.empty())
    user_error("--model is missing: a Hugging Face model directory or a checkpoint");
  if (save.empty()) user_error("--save is missing: the directory for checkpoints and logs");
  validate_dataset();
  (void)encoding.parse();
  if (recompute_granularity != "auto") parse_recompute(recompute_granularity);
  if (pipeline_model_parallel_size != 1) {
    user_error(
        "--pipeline_model_parallel_size {}: only 1 is supported; raise "
        "--tensor_model_parallel_size or --context_parallel_size instead",
        pipeline_model_parallel_size);
  }
  check_range("lr", lr, 0.0, 1e6);
  check_range("min_lr", min_lr, 0.0, 1e6);
  if (min_lr > lr) user_error("--min_lr {} is above --lr {}", min_lr, lr);
  parse_decay_style(lr_decay_style);
  check_range("lr_warmup_fraction", lr_warmup_fraction, 0.0, 1.0);
  check_flag_at_least("lr_warmup_iters", lr_warmup_iters, 0);
  if (lr_warmup_fraction > 0 && lr_warmup_iters > 0) {
    user_error("--lr_warmup_fraction {} and --lr_warmup_iters {} exclude each other: keep one",
               lr_warmup_fraction, lr_warmup_iters);
  }
  check_range("weight_decay", weight_decay, 0.0, 1e6);
  check_range("adam_beta1", adam_beta1, 0.0, 1.0);
  check_range("adam_beta2", adam_beta2, 0.0, 1.0);
  if (!(adam_eps > 0)) user_error("--adam_eps {}: must be above 0", adam_eps);
  check_range("clip_grad", clip_grad, 0.0, 1e30);
  check_flag_at_least("max_skipped_steps", max_skipped_steps, 1);
  check_flag_at_least("save_interval", save_interval, 1);
  check_flag_at_least("save_total_limit", save_total_limit, 0);
  check_flag_at_least("eval_interval", eval_interval, 0);
  check_flag_at_least("log_interval", log_interval, 1);
  check_timeout("comm_timeout", comm_timeout);
  check_timeout("startup_timeout", startup_timeout);
  if (!(straggler_factor == 0.0 || (straggler_factor > 1.0 && straggler_factor < 1e6))) {
    user_error(
        "--straggler_factor {}: must be above 1 (how many times the median a slow rank takes), or "
        "0 to look for none",
        straggler_factor);
  }
  if (preflight != "full" && preflight != "quick" && preflight != "off") {
    user_error("--preflight {}: choose full, quick or off", preflight);
  }
  if (preflight_only && preflight == "off") {
    user_error("--preflight_only and --preflight off exclude each other: keep one");
  }
  if (port < 1 || port > 65535) user_error("--port {}: must be between 1 and 65535", port);
}

AdamWOptions TrainOptions::adamw() const {
  return {adam_beta1, adam_beta2, adam_eps, weight_decay};
}

std::string TrainOptions::to_json() const {
  nlohmann::ordered_json json;
  json["model"] = model;
  json["dataset"] = dataset;
  json["val_dataset"] = val_dataset;
  json["split_dataset_ratio"] = split_dataset_ratio;
  json["max_length"] = max_length;
  json["packing"] = packing;
  json["truncation_strategy"] = truncation_strategy;
  json["template_mode"] = encoding.template_mode;
  json["chat_template"] = encoding.chat_template;
  json["loss_scale"] = encoding.loss_scale;
  json["thinking"] = encoding.thinking;
  json["strict_parity"] = encoding.strict_parity;
  json["strict"] = strict;
  json["backend"] = backend;
  json["attention_backend"] = attention_backend;
  json["deterministic"] = deterministic;
  json["micro_bs"] = micro_bs;
  json["global_bs"] = global_bs;
  json["recompute_granularity"] = recompute_granularity;
  if (epochs) json["epochs"] = *epochs;
  if (train_iters) json["train_iters"] = *train_iters;
  json["seed"] = seed;
  json["lr"] = lr;
  json["min_lr"] = min_lr;
  json["lr_decay_style"] = lr_decay_style;
  json["lr_warmup_fraction"] = lr_warmup_fraction;
  json["lr_warmup_iters"] = lr_warmup_iters;
  json["weight_decay"] = weight_decay;
  json["adam_beta1"] = adam_beta1;
  json["adam_beta2"] = adam_beta2;
  json["adam_eps"] = adam_eps;
  json["clip_grad"] = clip_grad;
  json["max_skipped_steps"] = max_skipped_steps;
  json["save"] = save;
  json["save_interval"] = save_interval;
  json["save_total_limit"] = save_total_limit;
  json["eval_interval"] = eval_interval;
  return dump_json(json);
}

}  // namespace longhaul
