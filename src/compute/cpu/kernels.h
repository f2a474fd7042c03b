#pragma once

#include <cstdint>

namespace longhaul::cpu {

/// One AdamW shard's scalars, prepared once per call.
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

/// The inner loops, compiled once per instruction set. Each works on one thread and on contiguous
/// fp32 arrays; reductions run in a fixed order, so a result depends on the arguments and the
/// instruction set alone.
struct Kernels {
  const char* name;            // "AVX-512", "AVX2", "baseline"
  const char* blas_core_type;  // OpenBLAS's name for kernels of these instructions, or null

  /// y [n] += x [n].
  void (*add)(const float* x, float* y, std::int64_t n);
  /// Returns the sum of squares of x [n] in fp64.
  double (*sum_of_squares)(const float* x, std::int64_t n);
  /// sums [n] += the sums over the rows of x [rows, n] with row stride `stride`.
  void (*column_sums)(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t n,
                      float* sums);

  /// y [n] = weight [n] * x [n] * inv_rms (y may be x); returns inv_rms = 1 / sqrt(mean(x^2) +
  /// eps).
  float (*rms_norm_forward)(const float* x, const float* weight, float epsilon, float* y,
                            std::int64_t n);
  /// dx [n] = or += the gradient of one group (dx may be dy when overwriting);
  /// dweight [n] += dy * x * inv_rms.
  void (*rms_norm_backward)(const float* dy, const float* x, const float* weight, float inv_rms,
                            float* dx, bool accumulate, float* dweight, std::int64_t n);
  /// Rotates the `heads` heads of x [heads * 2 * half] in place by cos, sin [half]; sin is
  /// multiplied by `sign`.
  void (*rope)(float* x, int heads, std::int64_t half, const float* cos, const float* sin,
               float sign);

  /// act [n] = silu(gate) * up.
  void (*swiglu_forward)(const float* gate, const float* up, float* act, std::int64_t n);
  /// dgate, dup [n] from dact, gate, up [n]; dgate may be gate and dup may be up. dact is
  /// overwritten with silu(gate) * up.
  void (*swiglu_backward)(float* dact, const float* gate, const float* up, float* dgate, float* dup,
                          std::int64_t n);

  /// One attention row: scores [cols] become exp(score - new maximum) in the first `visible` places
  /// and 0 after; updates the running maximum and sum, returns exp(old maximum - new maximum).
  float (*softmax_tile_row)(float* scores, std::int64_t visible, std::int64_t cols, float* maximum,
                            double* sum);
  /// x [n] *= factor.
  void (*scale)(float* x, float factor, std::int64_t n);
  /// y [n] = x [n] * factor.
  void (*scaled_copy)(const float* x, float factor, float* y, std::int64_t n);
  /// Returns the dot product of a and b [n].
  float (*dot)(const float* a, const float* b, std::int64_t n);
  /// One attention row backward: scores [cols] become p = exp(score - lse) and dp [cols] becomes
  /// p * (dp - delta) in the first `visible` places, 0 after.
  void (*softmax_backward_row)(float* scores, float* dp, float lse, float delta,
                               std::int64_t visible, std::int64_t cols);

  /// maximum and sum of exp(x - maximum) of x [n]; -infinity and 0 when n is 0.
  void (*max_and_exp_sum)(const float* x, std::int64_t n, float* maximum, double* sum);
  /// x [n] = factor * exp(x - shift).
  void (*scaled_exp)(float* x, float shift, float factor, std::int64_t n);

  /// AdamW on n elements; weight receives a copy of the master.
  void (*adamw)(const AdamWScalars& scalars, const float* grad, float* master, float* exp_avg,
                float* exp_avg_sq, float* weight, std::int64_t n);
};

/// The kernels for the widest instruction set of this processor.
const Kernels& best_kernels();

const Kernels& baseline_kernels();
const Kernels& avx2_kernels();    // x86-64 only
const Kernels& avx512_kernels();  // x86-64 only

}  // namespace longhaul::cpu
