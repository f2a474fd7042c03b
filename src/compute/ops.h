#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "compute/workspace_shape.h"
#include "core/tensor/accumulate_mode.h"
#include "core/tensor/adamw_step.h"
#include "core/tensor/attention_shape.h"
#include "core/tensor/cross_entropy_partials.h"
#include "core/tensor/matrix.h"
#include "core/tensor/rope_table.h"

namespace longhaul {

/// The arithmetic of a model on one device's memory. Everything above this interface is the same
/// for the CPU and for GPUs. Ops run in order on the device's compute_stream(); on the CPU they are
/// complete when they return. Weights, activations and their gradients have the device's
/// compute_dtype(); parameter gradients, norms' statistics and optimizer state are fp32.
class Ops {
 public:
  Ops() = default;
  virtual ~Ops() = default;
  Ops(const Ops&) = delete;
  Ops& operator=(const Ops&) = delete;

  /// One block of device memory that every op may use while it runs, aligned to
  /// Arena::kAlignment: DeviceModel::workspace_bytes(shape) of them serve calls up to `shape`.
  /// Null and 0 take it away.
  virtual void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) = 0;
  /// Keeps what was learned by timing for later runs. Throws when that cannot be written.
  virtual void save_learned() {}

  // ---- linear layers: y = x w^T + bias + addend
  /// x [T, K], w [N, K], bias [N] or null, addend [T, N] or an empty view -> y [T, N], overwritten.
  /// The addend (a residual connection) is another buffer than y.
  virtual void linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                              ConstMatrixView addend, MatrixView y) = 0;
  /// dy [T, N], w [N, K] -> dx [T, K].
  virtual void linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                                     AccumulateMode write) = 0;
  /// dy [T, N], x [T, K] -> dw [N, K] fp32.
  virtual void linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                                      AccumulateMode write) = 0;
  /// dy [T, N] -> dbias [N] fp32, accumulated.
  virtual void bias_backward(ConstMatrixView dy, float* dbias) = 0;

  // ---- embedding; this rank's table holds rows vocab_begin .. vocab_begin + table.rows
  /// ids [T] int32, table [V, H] -> out [T, H]; rows whose id is not in the table become zero.
  virtual void embedding_forward(const std::int32_t* ids, ConstMatrixView table,
                                 std::int64_t vocab_begin, MatrixView out) = 0;
  /// dout [T, H] -> dtable [V, H] fp32, accumulated in row order (deterministic).
  virtual void embedding_backward(const std::int32_t* ids, ConstMatrixView dout,
                                  std::int64_t vocab_begin, MatrixView dtable) = 0;

  // ---- RMSNorm over groups of cols / groups columns (groups 1: hidden; groups = heads: QK norm)
  /// x [T, groups * D], weight [D] -> y [T, groups * D] (may be x), inv_rms [T, groups] fp32.
  virtual void rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                                MatrixView y, float* inv_rms) = 0;
  /// dy, x [T, groups * D], inv_rms [T, groups] -> dx [T, groups * D] (may be dy when overwriting),
  /// dweight [D] fp32, accumulated.
  virtual void rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups,
                                 const void* weight, const float* inv_rms, MatrixView dx,
                                 AccumulateMode write, float* dweight) = 0;

  // ---- rotary position embedding, rotate-half form, in place on x [T, heads * D]
  virtual void rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
                    RopeDirection direction) = 0;

  // ---- QK norm and rotary position embedding in one pass over the heads of q or of k
  /// x [T, heads * D], weight [D] -> y [T, heads * D] = rope(rms_norm(x)), y is not x;
  /// inv_rms [T, heads] fp32.
  virtual void head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight,
                                      float epsilon, const std::int32_t* positions,
                                      const RopeTable& table, MatrixView y, float* inv_rms) = 0;
  /// The way back: dy, x [T, heads * D], inv_rms [T, heads] -> dy overwritten with dx,
  /// dweight [D] fp32, accumulated.
  virtual void head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads,
                                       const void* weight, const float* inv_rms,
                                       const std::int32_t* positions, const RopeTable& table,
                                       float* dweight) = 0;

  // ---- attention over segments; q rows outside every segment are not written
  /// q [Tq, heads * D], k, v [Tkv, kv_heads * D] -> o [Tq, heads * D], lse [heads, Tq] fp32
  /// (natural logarithm of the sum of exponentials of the scaled scores).
  virtual void attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                 std::span<const AttentionSegment> segments,
                                 const AttentionHeads& heads, MatrixView o, float* lse) = 0;
  /// -> dq [Tq, heads * D] overwritten; dk, dv [Tkv, kv_heads * D], either
  ///   AccumulateMode::accumulate: fp32, and any segments may share keys; or
  ///   AccumulateMode::overwrite: compute_dtype(), and no two segments share a key. Rows outside
  ///   every segment's keys are not written.
  virtual void attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                  ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                                  std::span<const AttentionSegment> segments,
                                  const AttentionHeads& heads, MatrixView dq, MatrixView dk,
                                  MatrixView dv, AccumulateMode write_dkv) = 0;

  // ---- SwiGLU: act = silu(gate) * up
  /// gate_up [T, 2F] (gate first) -> act [T, F].
  virtual void swiglu_forward(ConstMatrixView gate_up, MatrixView act) = 0;
  /// dact [T, F], gate_up [T, 2F] -> dgate_up [T, 2F] (may be gate_up), and dact overwritten with
  /// act: the weight gradient behind needs it, and making it again here costs less than keeping it.
  virtual void swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up) = 0;

  // ---- rows of the loss head
  /// src [T, H], rows [R] int32 -> dst [R, H].
  virtual void gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) = 0;
  /// src [R, H] -> rows of dst [T, H]; other rows are left alone. Rows are distinct.
  virtual void scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) = 0;
  /// src and dst [chunks * chunk_rows, C], contiguous: dst chunk order[i] = src chunk i.
  virtual void reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order,
                              MatrixView dst) = 0;

  // ---- vocabulary-parallel cross-entropy; columns >= valid_cols are padding and ignored
  /// logits [R, V] (this rank's columns vocab_begin ..), targets [R] -> partials [R, 3] fp32.
  virtual void cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                                      const std::int32_t* targets, std::int64_t vocab_begin,
                                      float* partials) = 0;
  /// all_partials [parts, R, 3] of every rank of the group -> nll [R] fp32 (negative log-likelihood
  /// of the target) and lse [R] fp32 (log-sum-exp of the whole row).
  virtual void cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows,
                                     float* nll, float* lse) = 0;
  /// logits [R, V] -> overwritten with weights[r] * (softmax - onehot(target)); padding columns
  /// zero.
  virtual void cross_entropy_backward(MatrixView logits, std::int64_t valid_cols,
                                      const std::int32_t* targets, std::int64_t vocab_begin,
                                      const float* weights, const float* lse) = 0;

  /// nll, weights [R] fp32 -> result [1] fp64, device memory: += sum(weights * nll).
  /// Deterministic.
  virtual void weighted_sum(const float* nll, const float* weights, std::int64_t rows,
                            double* result) = 0;

  // ---- elementwise
  /// y [R, C] += x [R, C], same dtype.
  virtual void add(ConstMatrixView x, MatrixView y) = 0;
  /// dst = src with another dtype (fp32 <-> compute_dtype()); a copy when they are equal.
  virtual void convert(ConstMatrixView src, MatrixView dst) = 0;
  /// dst [count] fp32 += src [count] fp32.
  virtual void accumulate(const float* src, float* dst, std::int64_t count) = 0;

  // ---- optimizer
  virtual void adamw(const AdamWStep& step) = 0;
  /// result [1] fp64, device memory: += sum of squares of x [count] fp32. Deterministic.
  virtual void sum_of_squares(const float* x, std::int64_t count, double* result) = 0;
};

}  // namespace longhaul
