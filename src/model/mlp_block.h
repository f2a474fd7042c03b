#pragma once

#include "model/activation_arena.h"
#include "model/linear.h"
#include "model/recomputation.h"

namespace longhaul {

/// Buffers of one MLP block, kept unless the layer recomputes.
struct MlpBuffers {
  void* norm_out = nullptr;  // [sp, H]
  float* inv_rms = nullptr;  // [sp]
  void* gate_up = nullptr;   // [cp_local, 2 ffn]

  void allocate(ActivationArena& arena);
};

/// Working buffers that hold nothing between two blocks.
struct MlpScratch {
  void* act = nullptr;  // SwiGLU's output, or its gradient [cp_local, ffn]

  explicit MlpScratch(ActivationArena arena)
      : act(arena.matrix(arena.tokens.cp_local, arena.sizes.ffn, "SwiGLU output")) {}
};

/// One layer's MLP half: y = x + down(silu(gate(n)) * up(n)), n = norm(x).
class MlpBlock {
 public:
  /// What `mode` does not keep lies in `shared`, which all layers use in turn.
  MlpBlock(const ModelContext& context, Unit unit, Recompute mode, const MlpBuffers& shared,
           const MlpScratch& scratch, ActivationArena arena);

  /// The norm and the gate and up projections of x [sp, H]: what the backward pass needs.
  void project(const WeightLease& weights, const TokenCounts& tokens, ConstMatrixView x) const;
  /// x [sp, H] -> y [sp, H], overwritten.
  void forward(const WeightLease& weights, const TokenCounts& tokens, ConstMatrixView x,
               MatrixView y) const;

  /// x [sp, H] as it was in the forward pass; d_hidden [sp, H]: gradient of y on entry, of x on
  /// return. Overwrites gate and up with their gradients.
  void backward(const WeightLease& weights, const TokenCounts& tokens, ConstMatrixView x,
                MatrixView d_hidden, GradientSink& sink) const;

 private:
  const ModelContext& context_;
  MlpBuffers buffers_;
  const MlpScratch& scratch_;
  int norm_;
  Linear gate_up_proj_;
  Linear down_proj_;
};

}  // namespace longhaul
