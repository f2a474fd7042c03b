#pragma once

#include "model/layer_context.h"

namespace longhaul {

/// The attention kernel's output may already be known when a layer is computed again.
enum class AttentionKernel : std::uint8_t { run, reuse_output };

/// One layer's attention half: x_mid = x + O(attention(rope(norm(QKV(norm(x)))))).
/// Heads are split over TP, tokens over CP: K and V of the layer are gathered over CP and put in
/// stream order, so each rank's queries meet all keys of their documents in one call.
class AttentionBlock {
 public:
  AttentionBlock(const ModelContext& context, int layer);

  /// activations.input [sharded, H] -> activations.middle [sharded, H] and all buffers between.
  void forward(const DeviceBatch& batch, const LayerActivations& activations,
               const LayerScratch& scratch, AttentionKernel kernel) const;

  /// d_hidden [sharded, H]: gradient of x_mid on entry, of x on return.
  void backward(const DeviceBatch& batch, const LayerActivations& activations,
                const LayerScratch& scratch, MatrixView d_hidden, GradientSink& sink) const;

 private:
  /// K and V of the local tokens, normed and rotated, ready to be gathered: [local, 2 kv_cols].
  [[nodiscard]] MatrixView project_kv(const DeviceBatch& batch, const LayerActivations& activations,
                                      const LayerScratch& scratch, ConstMatrixView normed) const;
  void gather_kv(const TokenCounts& tokens, ConstMatrixView kv_local, void* kv,
                 const LayerScratch& scratch) const;
  void project_q(const DeviceBatch& batch, const LayerActivations& activations,
                 ConstMatrixView normed) const;
  /// Gradient of the stream's K and V, fp32 -> that of the local ones, summed over CP:
  /// scratch.d_kv [local, 2 kv_cols].
  /// d_attention [local, q_cols] -> d_q [local, q_cols] and scratch.d_kv.
  void attend_backward(const DeviceBatch& batch, const LayerActivations& activations,
                       const LayerScratch& scratch, ConstMatrixView d_attention,
                       MatrixView d_q) const;
  void reduce_d_kv(const TokenCounts& tokens, const LayerScratch& scratch) const;
  /// The bias's data, or null for models without.
  [[nodiscard]] const void* bias(int parameter) const;

  const ModelContext& context_;
  int input_norm_;
  int q_proj_;
  int q_bias_;
  int kv_proj_;
  int kv_bias_;
  int q_norm_;
  int k_norm_;
  int o_proj_;
};

}  // namespace longhaul
