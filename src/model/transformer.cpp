#include "model/transformer.h"

#include <cmath>

#include "core/error.h"
#include "model/rope_frequencies.h"

namespace longhaul {

namespace {

/// `activations`, whose next buffers belong to `name`.
ActivationArena& section(ActivationArena& activations, const char* name) {
  activations.arena().begin_section(name);
  return activations;
}

std::vector<DecoderLayer> make_layers(const ModelContext& context,
                                      const Recomputation& recomputation,
                                      const SharedBuffers& shared, const LayerScratch& scratch,
                                      ActivationArena arena) {
  const std::int64_t count = context.sizes.layers;
  LONGHAUL_CHECK(recomputation.kept_layers >= 0 && recomputation.kept_layers <= count,
                 "{} of {} layers keep everything", recomputation.kept_layers, count);
  std::vector<DecoderLayer> layers;
  for (int layer = 0; layer < count; ++layer) {
    layers.emplace_back(context, layer, recomputation.mode_of(layer, count), shared, scratch,
                        arena);
  }
  return layers;
}

}  // namespace

Transformer::Transformer(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
                         Weights& weights, std::int64_t max_tokens, std::int64_t max_position,
                         const Recomputation& recomputation, Arena& arena)
    : Transformer(runtime, config, table, weights, max_tokens, max_position, recomputation,
                  ActivationArena(LocalSizes(config, runtime.grid, table), max_tokens,
                                  runtime.device.compute_dtype(), arena)) {}

Transformer::Transformer(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
                         Weights& weights, std::int64_t max_tokens, std::int64_t max_position,
                         const Recomputation& recomputation, ActivationArena activations)
    : config_(config),
      sizes_(activations.sizes),
      max_tokens_(max_tokens),
      rope_cos_(section(activations, "position tables")
                    .floats(max_position * config.head_dim / 2, "RoPE cosines")),
      rope_sin_(activations.floats(max_position * config.head_dim / 2, "RoPE sines")),
      hidden_scratch_(section(activations, "working buffers of a layer")),
      layer_scratch_(runtime, sizes_, activations),
      shared_(recomputation.mode_of(0, sizes_.layers), activations),
      d_hidden_(activations.hidden("hidden gradient")),
      sp_comm_(runtime),
      context_{runtime,         sizes_,
               table,           weights,
               sp_comm_,        *layer_scratch_.kv_exchange,
               hidden_scratch_, {rope_cos_, rope_sin_, max_position}},
      embedding_(context_),
      layers_(make_layers(context_, recomputation, shared_, layer_scratch_,
                          section(activations, "activations kept"))),
      output_(activations.hidden("last layer's output")),
      head_(context_, section(activations, "loss head")) {}

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

MatrixView Transformer::hidden_after(const TokenCounts& tokens, std::size_t layers) const {
  if (layers < layers_.size()) return layers_[layers].input(tokens);
  return context_.view(output_, tokens.sp, sizes_.hidden);
}

void Transformer::forward_layers(const DeviceBatch& batch) {
  const ProfilerRange range(context_.runtime.device, "forward");
  LONGHAUL_CHECK(batch.stream_tokens <= max_tokens_, "a micro-batch of {} tokens; planned: {}",
                 batch.stream_tokens, max_tokens_);
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  embedding_.forward(context_.weights.use(Unit::embedding()), batch, hidden_after(tokens, 0));
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer].forward(batch, hidden_after(tokens, layer + 1));
  }
}

void Transformer::forward(const DeviceBatch& batch) {
  forward_layers(batch);
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  head_.forward(context_.weights.use(Unit::head()), batch, hidden_after(tokens, layers_.size()));
}

MatrixView Transformer::logits(const DeviceBatch& batch, std::int64_t first, std::int64_t count) {
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  return head_.logits(context_.weights.use(Unit::head()), batch,
                      hidden_after(tokens, layers_.size()), first, count);
}

void Transformer::backward(const DeviceBatch& batch, GradientSink& sink) {
  const ProfilerRange range(context_.runtime.device, "backward");
  const TokenCounts tokens(batch.stream_tokens, sizes_);
  const MatrixView d_hidden = this->d_hidden(tokens);
  head_.forward_backward(context_.weights.use(Unit::head()), batch,
                         hidden_after(tokens, layers_.size()), d_hidden, sink);
  sink.complete(Unit::head());
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    layer->backward(batch, d_hidden, sink);
  }
  embedding_.backward(batch, d_hidden, sink);
  sink.complete(Unit::embedding());
}

}  // namespace longhaul
