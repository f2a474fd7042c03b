#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace longhaul {

/// Where one step's time went, in seconds. Time that overlaps other work is not counted twice:
/// `communication` is only what the step waited for ("exposed").
struct PhaseSeconds {
  double data = 0.0;
  double forward = 0.0;
  double backward = 0.0;
  double communication = 0.0;
  double optimizer = 0.0;
  /// What training waited for a checkpoint since the previous step was reported: the line of step s
  /// is written before the checkpoint of step s, so that no checkpoint lacks its line.
  double checkpoint = 0.0;
};

/// What rank 0's GPU said of itself at the end of the step; 0 where its driver does not tell.
struct GpuSample {
  int clock_mhz = 0;  // of the multiprocessors
  double power_w = 0.0;
  int temperature_c = 0;
};

/// A rank that computes slower than the others.
struct SlowRank {
  int rank = 0;
  std::string host;
  double ratio = 0.0;      // its time to the median
  std::int64_t steps = 0;  // for so many steps in a row
};

/// How long the ranks computed, a step on average since the last one that has this.
struct ComputeSpread {
  double median_seconds = 0.0;
  double slowest_seconds = 0.0;
  int slowest_rank = 0;
  std::vector<SlowRank> stragglers;  // slower than the median by --straggler_factor
};

/// One optimizer step, over all ranks. docs/performance.md, "Metric definitions", says the same for
/// users.
struct StepMetrics {
  std::int64_t step = 0;         // counted from 1
  std::int64_t total_steps = 0;  // of the whole run
  double epoch = 0.0;            // share of the training set consumed, 1.5 = one and a half times

  double loss = 0.0;       // sum(weight * nll) / sum(weight) over the whole global batch
  double grad_norm = 0.0;  // before clipping
  double learning_rate = 0.0;

  std::int64_t tokens = 0;          // of documents, no padding
  std::int64_t trained_tokens = 0;  // targets with loss weight > 0
  std::int64_t padding_tokens = 0;  // computed on, but no part of any document
  std::int64_t samples = 0;
  std::int64_t packs = 0;
  std::int64_t consumed_samples = 0;  // since the run began, this step's included

  int devices = 1;  // ranks that compute; GPUs, or CPU ranks
  double step_seconds =
      0.0;  // from the step's begin to its end, evaluation and checkpoints excluded
  PhaseSeconds seconds;

  double model_flops = 0.0;  // of this step on all devices together, see model_flops.h
  double peak_flops = 0.0;   // dense peak of all devices together, FLOP/s; 0 = unknown

  std::int64_t memory_bytes = 0;       // in use now, on the device that uses most; 0 = unknown
  std::int64_t peak_memory_bytes = 0;  // the highest so far, on the device that used most

  std::optional<GpuSample> gpu;  // nothing on CPUs, or when the driver's library is missing

  std::optional<ComputeSpread> spread;  // each --log_interval steps, with several ranks

  bool skipped = false;  // loss or gradient was not finite: the weights were left as they were
  std::optional<double> eval_loss;  // when this step was followed by an evaluation

  // All rates are 0 when step_seconds is 0.
  [[nodiscard]] double tokens_per_second() const;
  [[nodiscard]] double tokens_per_second_per_device() const;
  [[nodiscard]] double trained_tokens_per_second() const;
  /// model_flops / step_seconds / devices / 1e12: per device, as GPU data sheets count.
  [[nodiscard]] double model_tflops() const;
  /// Model FLOP/s over the peak, 0..1; nothing when the peak is unknown.
  [[nodiscard]] std::optional<double> mfu() const;
  /// padding_tokens / (tokens + padding_tokens), 0 for an empty step.
  [[nodiscard]] double padding_share() const;
};

}  // namespace longhaul
