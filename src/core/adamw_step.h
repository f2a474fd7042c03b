#pragma once

#include <cstdint>

namespace longhaul {

/// AdamW on one contiguous shard. All arrays [count]; bias corrections are 1 - beta^t.
///   g = grad * grad_scale;  m, v = moving averages;
///   master -= learning_rate * (m / bias1 / (sqrt(v / bias2) + epsilon) + weight_decay * master)
struct AdamWStep {
  float* master = nullptr;      // fp32, updated
  float* exp_avg = nullptr;     // fp32, updated
  float* exp_avg_sq = nullptr;  // fp32, updated
  const float* grad = nullptr;  // fp32, read
  void* weight = nullptr;       // compute_dtype(), overwritten with the rounded master
  std::int64_t count = 0;
  float grad_scale = 1.0F;
  float learning_rate = 0.0F;
  double beta1 = 0.9;
  double beta2 = 0.95;
  float epsilon = 1e-8F;
  float weight_decay = 0.0F;
  double bias1 = 1.0;
  double bias2 = 1.0;
};

}  // namespace longhaul
