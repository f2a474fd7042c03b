#pragma once

#include "model/attention_block.h"
#include "model/layer_scratch.h"
#include "model/mlp_block.h"

namespace longhaul {

/// Where layers keep what they compute again: one set of buffers that all of them use in turn.
struct SharedBuffers {
  AttentionBuffers attention;
  MlpBuffers mlp;

  /// Takes what layers of this mode do not keep themselves.
  SharedBuffers(Recompute mode, ActivationArena arena);
};

/// One layer of the model: attention and MLP, the buffers that it keeps, and what it computes again
/// in the backward pass.
class DecoderLayer {
 public:
  DecoderLayer(const ModelContext& context, int layer, Recompute mode, const SharedBuffers& shared,
               const LayerScratch& scratch, ActivationArena arena);

  /// Where x [sp, H] has to be before forward(). It is kept in every mode.
  [[nodiscard]] MatrixView input(const TokenCounts& tokens) const {
    return context_.view(input_, tokens.sp, context_.sizes.hidden);
  }
  /// input() -> y [sp, H], overwritten.
  void forward(const DeviceBatch& batch, MatrixView y) const;
  /// d_hidden [sp, H]: gradient of y on entry, of input() on return. Completes the unit in `sink`.
  void backward(const DeviceBatch& batch, MatrixView d_hidden, GradientSink& sink) const;

 private:
  const ModelContext& context_;
  Unit unit_;
  Recompute mode_;
  void* input_;
  AttentionBlock attention_;
  MlpBlock mlp_;
};

}  // namespace longhaul
