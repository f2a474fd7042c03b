#pragma once

#include "model/activation_arena.h"
#include "model/linear.h"
#include "model/recomputation.h"

namespace longhaul {

/// Buffers of one attention block. A pass forward fills them for the pass backward.
struct AttentionBuffers {
  // Kept, unless the layer's recomputation is full:
  void* out = nullptr;   // what attention gives [cp_local, q_cols]
  float* lse = nullptr;  // [q heads, cp_local]
  // Kept, unless the layer recomputes:
  void* norm_out = nullptr;  // [sp, H]
  float* inv_rms = nullptr;  // [sp]
  void* kv_raw = nullptr;    // [cp_local, 2 kv_cols] before QK norm and RoPE (QK norm models only)
  void* q_raw = nullptr;     // [cp_local, q_cols] likewise
  float* inv_rms_k = nullptr;  // [cp_local, kv heads]
  float* inv_rms_q = nullptr;  // [cp_local, q heads]
  void* q = nullptr;           // [cp_local, q_cols] as attention sees it
  void* kv = nullptr;          // [global, 2 kv_cols] as attention sees it, in stream order
  void* residual = nullptr;    // x after the block [sp, H]

  void allocate_output(ActivationArena& arena);
  void allocate_recomputable(ActivationArena& arena);
};

/// Working buffers that hold nothing between two blocks.
struct AttentionScratch {
  void* d_q = nullptr;    // [cp_local, q_cols]
  void* d_out = nullptr;  // [cp_local, q_cols]
  void* d_kv = nullptr;   // [cp_local, 2 kv_cols]

  explicit AttentionScratch(ActivationArena arena);
};

/// The attention kernel's output may already be known when a layer is computed again.
enum class AttentionKernel : std::uint8_t { run, reuse_output };

/// One layer's attention half: residual = x + O(attention(rope(norm(QKV(norm(x)))))).
/// Heads are split over TP, tokens over CP: K and V of the layer are gathered over CP and put in
/// stream order, so each rank's queries meet all keys of their documents in one call.
class AttentionBlock {
 public:
  /// What `mode` does not keep lies in `shared`, which all layers use in turn.
  AttentionBlock(const ModelContext& context, Unit unit, Recompute mode,
                 const AttentionBuffers& shared, const AttentionScratch& scratch,
                 ActivationArena arena);

  /// x [sp, H] -> residual(), and all buffers.
  void forward(const WeightLease& weights, const DeviceBatch& batch, ConstMatrixView x,
               AttentionKernel kernel) const;
  /// x after the block [sp, H].
  [[nodiscard]] MatrixView residual(const TokenCounts& tokens) const {
    return context_.view(buffers_.residual, tokens.sp, context_.sizes.hidden);
  }

  /// x [sp, H] as it was in the forward pass; d_hidden [sp, H]: gradient of the residual on entry,
  /// of x on return.
  void backward(const WeightLease& weights, const DeviceBatch& batch, ConstMatrixView x,
                MatrixView d_hidden, GradientSink& sink) const;

 private:
  // ---- forward
  /// K and V of the stream [global, 2 kv_cols] -> kv, Q of the local tokens -> buffers_.q, both as
  /// attention sees them.
  void project_inputs(const WeightLease& weights, const DeviceBatch& batch,
                      ConstMatrixView norm_out, MatrixView kv) const;
  /// The last steps before attention: QK norm where the model has it, and RoPE.
  void rotate_kv(const WeightLease& weights, const DeviceBatch& batch, MatrixView projected,
                 MatrixView kv) const;
  void rotate_q(const WeightLease& weights, const DeviceBatch& batch, MatrixView projected) const;

  // ---- backward
  /// d_out [cp_local, q_cols] -> d_q [cp_local, q_cols], and the gradient of K and V: with CP 1
  /// d_kv, else this rank's part of the whole stream's, at the exchange.
  void attend_backward(const DeviceBatch& batch, ConstMatrixView d_out, MatrixView d_q,
                       MatrixView d_kv) const;
  /// In place: gradients of what attention saw become those of the projections.
  void rotate_q_backward(const WeightLease& weights, const DeviceBatch& batch, MatrixView d_q,
                         GradientSink& sink) const;
  void rotate_kv_backward(const WeightLease& weights, const DeviceBatch& batch, MatrixView d_kv,
                          GradientSink& sink) const;

  [[nodiscard]] TokenCounts tokens_of(const DeviceBatch& batch) const {
    return {batch.stream_tokens, context_.sizes};
  }
  [[nodiscard]] MatrixView q_view(const TokenCounts& tokens, void* data) const {
    return context_.view(data, tokens.cp_local, context_.sizes.q_cols);
  }
  [[nodiscard]] MatrixView kv_view(const TokenCounts& tokens) const {
    return context_.view(buffers_.kv, tokens.global, 2 * context_.sizes.kv_cols);
  }
  [[nodiscard]] MatrixView keys(MatrixView kv) const {
    return kv.col_range(0, context_.sizes.kv_cols);
  }
  [[nodiscard]] MatrixView values(MatrixView kv) const {
    return kv.col_range(context_.sizes.kv_cols, context_.sizes.kv_cols);
  }

  const ModelContext& context_;
  AttentionBuffers buffers_;
  const AttentionScratch& scratch_;
  int input_norm_;
  int q_norm_;
  int k_norm_;
  Linear q_proj_;
  Linear kv_proj_;
  Linear o_proj_;
};

}  // namespace longhaul
