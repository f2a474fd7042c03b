#pragma once

#include "model/layer_context.h"

namespace longhaul {

/// One layer's MLP half: x_out = x_mid + down(silu(gate(n)) * up(n)), n = norm(x_mid).
class MlpBlock {
 public:
  MlpBlock(const ModelContext& context, int layer);

  /// Computes the norm and the gate and up projections: what the backward pass needs.
  void project(const TokenCounts& tokens, const LayerActivations& activations,
               const LayerScratch& scratch) const;
  /// activations.middle [sharded, H] -> output [sharded, H], overwritten.
  void forward(const TokenCounts& tokens, const LayerActivations& activations,
               const LayerScratch& scratch, MatrixView output) const;

  /// d_hidden [sharded, H]: gradient of x_out on entry, of x_mid on return. Overwrites
  /// activations.gate_up with its gradient.
  void backward(const TokenCounts& tokens, const LayerActivations& activations,
                const LayerScratch& scratch, MatrixView d_hidden, GradientSink& sink) const;

 private:
  const ModelContext& context_;
  int norm_;
  int gate_up_proj_;
  int down_proj_;
};

}  // namespace longhaul
