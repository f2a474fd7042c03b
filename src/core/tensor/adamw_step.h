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

/// The numbers of an AdamWStep as kernels use them: fp32, divisions done once.
struct AdamWScalars {
  float grad_scale;
  float beta1;
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float learning_rate;
  float inv_bias1;
  float inv_bias2;
  float epsilon;
  float weight_decay;
};

inline AdamWScalars adamw_scalars(const AdamWStep& step) {
  return {
      .grad_scale = step.grad_scale,
      .beta1 = static_cast<float>(step.beta1),
      .one_minus_beta1 = static_cast<float>(1.0 - step.beta1),
      .beta2 = static_cast<float>(step.beta2),
      .one_minus_beta2 = static_cast<float>(1.0 - step.beta2),
      .learning_rate = step.learning_rate,
      .inv_bias1 = static_cast<float>(1.0 / step.bias1),
      .inv_bias2 = static_cast<float>(1.0 / step.bias2),
      .epsilon = step.epsilon,
      .weight_decay = step.weight_decay,
  };
}

}  // namespace longhaul
