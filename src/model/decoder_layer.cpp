#include "model/decoder_layer.h"

namespace longhaul {

SharedBuffers::SharedBuffers(Recompute mode, ActivationArena arena) {
  if (mode == Recompute::full) attention.allocate_output(arena);
  if (mode == Recompute::none) return;
  attention.allocate_recomputable(arena);
  mlp.allocate(arena);
}

DecoderLayer::DecoderLayer(const ModelContext& context, int layer, Recompute mode,
                           const SharedBuffers& shared, const LayerScratch& scratch,
                           ActivationArena arena)
    : context_(context),
      unit_(Unit::of_layer(layer)),
      mode_(mode),
      input_(arena.hidden("layer input")),
      attention_(context, unit_, mode, shared.attention, *scratch.attention, arena),
      mlp_(context, unit_, mode, shared.mlp, *scratch.mlp, arena) {}

void DecoderLayer::forward(const DeviceBatch& batch, MatrixView y) const {
  const ProfilerRange range(context_.runtime.device, "layer forward");
  context_.runtime.coordinator.progress().beat();
  const TokenCounts tokens(batch.stream_tokens, context_.sizes);
  const WeightLease weights = context_.weights.use(unit_);
  attention_.forward(weights, batch, input(tokens), AttentionKernel::run);
  mlp_.forward(weights, tokens, attention_.residual(tokens), y);
}

void DecoderLayer::backward(const DeviceBatch& batch, MatrixView d_hidden,
                            GradientSink& sink) const {
  const ProfilerRange range(context_.runtime.device, "layer backward");
  context_.runtime.coordinator.progress().beat();
  const TokenCounts tokens(batch.stream_tokens, context_.sizes);
  const WeightLease weights = context_.weights.use(unit_);
  const MatrixView x = input(tokens);
  const MatrixView residual = attention_.residual(tokens);
  if (mode_ != Recompute::none) {
    attention_.forward(
        weights, batch, x,
        mode_ == Recompute::selective ? AttentionKernel::reuse_output : AttentionKernel::run);
    mlp_.project(weights, tokens, residual);
  }
  mlp_.backward(weights, tokens, residual, d_hidden, sink);
  attention_.backward(weights, batch, x, d_hidden, sink);
  sink.complete(unit_);
}

}  // namespace longhaul
