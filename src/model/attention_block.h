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
  // ---- forward
  /// K and V of the stream [stream, 2 kv_cols] -> kv, Q of the local tokens -> activations.q, both
  /// as attention sees them.
  void project_inputs(const DeviceBatch& batch, const LayerActivations& activations,
                      const LayerScratch& scratch, ConstMatrixView normed_part,
                      MatrixView kv) const;
  /// Where the projections of the local tokens go before QK norm and RoPE.
  [[nodiscard]] MatrixView kv_projection(const TokenCounts& tokens,
                                         const LayerActivations& activations,
                                         const LayerScratch& scratch) const;
  [[nodiscard]] MatrixView q_projection(const TokenCounts& tokens,
                                        const LayerActivations& activations) const;
  /// Where K and V of the local tokens go after them, ready to be gathered.
  [[nodiscard]] void* kv_of_rank(const LayerActivations& activations,
                                 const LayerScratch& scratch) const;
  void project(ConstMatrixView normed, int weight, int bias_parameter, MatrixView output) const;
  void rotate_kv(const DeviceBatch& batch, const LayerActivations& activations,
                 MatrixView projected, MatrixView kv) const;
  void rotate_q(const DeviceBatch& batch, const LayerActivations& activations,
                MatrixView projected) const;

  // ---- backward
  /// d_attention [local, q_cols] -> d_q [local, q_cols], and the gradient of K and V: with CP 1
  /// scratch.d_kv, else this rank's summand for the whole stream, scratch.d_kv_stream.
  void attend_backward(const DeviceBatch& batch, const LayerActivations& activations,
                       const LayerScratch& scratch, ConstMatrixView d_attention,
                       MatrixView d_q) const;
  /// In place: gradients of what attention saw become those of the projections.
  void rotate_q_backward(const DeviceBatch& batch, const LayerActivations& activations,
                         MatrixView d_q, GradientSink& sink) const;
  void rotate_kv_backward(const DeviceBatch& batch, const LayerActivations& activations,
                          MatrixView d_kv, GradientSink& sink) const;

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
