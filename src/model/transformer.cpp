#include "model/transformer.h"

#include <cmath>

#include "core/error.h"
#include "model/rope_frequencies.h"

namespace longhaul {

Transformer::Transformer(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
                         const Weights& weights, std::int64_t max_tokens, std::int64_t max_position,
                         const Recomputation& recomputation, Arena& arena)
    : config_(config),
      sizes_(config, runtime.grid, table),
      max_tokens_(max_tokens),
      exchange_(runtime),
      kv_exchange_(runtime, sizes_),
      context_{runtime, sizes_, table, weights, exchange_, kv_exchange_, {}},
      rope_cos_((arena.begin_section("position tables"), arena)
                    .allocate_array<float>(max_position * config.head_dim / 2, "RoPE cosines")),
      rope_sin_(arena.allocate_array<float>(max_position * config.head_dim / 2, "RoPE sines")),
      activations_(sizes_, max_tokens, recomputation, runtime.device.compute_dtype(), arena),
      embedding_(context_),
      head_(context_, max_tokens, (arena.begin_section("loss head"), arena)) {
  context_.rope = {rope_cos_, rope_sin_, max_position};
  for (int layer = 0; layer < config.num_layers; ++layer) {
    attention_.emplace_back(context_, layer);
    mlp_.emplace_back(context_, layer);
  }
}

void Transformer::initialize() {
  const RopeFrequencies frequencies = rope_frequencies(config_);
  const std::size_t half = frequencies.inverse.size();
  const auto positions = static_cast<std::size_t>(context_.rope.max_position);
  std::vector<float> cosines(positions * half);
  std::vector<float> sines(positions * half);
  for (std::size_t position = 0; position < positions; ++position) {
    for (std::size_t i = 0; i < half; ++i) {
      // The angle is rounded to fp32 as in Hugging Face's implementation, whose weights we train.
      const float angle = static_cast<float>(position) * frequencies.inverse[i];
      cosines[position * half + i] =
          static_cast<float>(std::cos(static_cast<double>(angle))) * frequencies.attention_factor;
      sines[position * half + i] =
          static_cast<float>(std::sin(static_cast<double>(angle))) * frequencies.attention_factor;
    }
  }
  Device& device = context_.runtime.device;
  const Stream stream = device.compute_stream();
  device.copy_to_device(rope_cos_, cosines.data(), cosines.size() * sizeof(float), stream);
  device.copy_to_device(rope_sin_, sines.data(), sines.size() * sizeof(float), stream);
  device.synchronize(stream);  // the host vectors end here
}

MatrixView Transformer::layer_output(const TokenCounts& tokens, std::int64_t layer) const {
  void* const data =
      layer + 1 < sizes_.layers ? activations_.layer(layer + 1).input : activations_.output();
  return context_.view(data, tokens.sharded, sizes_.hidden);
}

void Transformer::forward_layers(const DeviceBatch& batch) {
  const ProfilerRange range(context_.runtime.device, "forward");
  LONGHAUL_CHECK(batch.stream_tokens <= max_tokens_, "a micro-batch of {} tokens; planned: {}",
                 batch.stream_tokens, max_tokens_);
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  const LayerScratch& scratch = activations_.scratch();
  context_.weights.wait_for(-1);
  embedding_.forward(batch, scratch, layer_output(tokens, -1));
  for (int layer = 0; layer < sizes_.layers; ++layer) {
    const LayerActivations& a = activations_.layer(layer);
    const auto index = static_cast<std::size_t>(layer);
    const ProfilerRange layer_range(context_.runtime.device, "layer forward");
    context_.runtime.coordinator.progress().beat();
    context_.weights.wait_for(layer);
    attention_[index].forward(batch, a, scratch, AttentionKernel::run);
    mlp_[index].forward(tokens, a, scratch, layer_output(tokens, layer));
  }
}

void Transformer::forward(const DeviceBatch& batch) {
  forward_layers(batch);
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  head_.forward(batch, activations_.scratch(), layer_output(tokens, sizes_.layers - 1));
}

MatrixView Transformer::logits(const DeviceBatch& batch, std::int64_t first, std::int64_t count) {
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  return head_.logits(batch, activations_.scratch(), layer_output(tokens, sizes_.layers - 1), first,
                      count);
}

void Transformer::backward_layer(const DeviceBatch& batch, int layer, GradientSink& sink) {
  const ProfilerRange range(context_.runtime.device, "layer backward");
  context_.runtime.coordinator.progress().beat();
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  const LayerScratch& scratch = activations_.scratch();
  const LayerActivations& a = activations_.layer(layer);
  const auto index = static_cast<std::size_t>(layer);
  const MatrixView d_hidden = context_.view(activations_.d_hidden(), tokens.sharded, sizes_.hidden);
  const Recompute mode = activations_.mode(layer);
  if (mode != Recompute::none) {
    attention_[index].forward(
        batch, a, scratch,
        mode == Recompute::selective ? AttentionKernel::reuse_output : AttentionKernel::run);
    mlp_[index].project(tokens, a, scratch);
  }
  mlp_[index].backward(tokens, a, scratch, d_hidden, sink);
  attention_[index].backward(batch, a, scratch, d_hidden, sink);
  sink.complete(layer);
}

void Transformer::backward(const DeviceBatch& batch, GradientSink& sink) {
  const ProfilerRange range(context_.runtime.device, "backward");
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  const MatrixView d_hidden = context_.view(activations_.d_hidden(), tokens.sharded, sizes_.hidden);
  head_.forward_backward(batch, activations_.scratch(), layer_output(tokens, sizes_.layers - 1),
                         d_hidden, sink);
  for (int layer = static_cast<int>(sizes_.layers) - 1; layer >= 0; --layer) {
    backward_layer(batch, layer, sink);
  }
  embedding_.backward(batch, activations_.scratch(), d_hidden, sink);
  sink.complete(-1);
}

}  // namespace longhaul
