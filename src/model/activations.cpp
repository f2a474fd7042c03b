#include "model/activations.h"

#include <fmt/format.h>

#include "core/error.h"

namespace longhaul {
namespace {

/// Allocates buffers of one micro-batch of the largest size.
class Allocator {
 public:
  Allocator(const LocalSizes& sizes, std::int64_t max_tokens, DType dtype, Arena& arena)
      : sizes_(sizes), tokens_(max_tokens, sizes), dtype_(dtype), arena_(arena) {}

  void* activation(std::int64_t rows, std::int64_t cols, const char* label) {
    return arena_.allocate(static_cast<std::size_t>(rows * cols) * size_of(dtype_), label);
  }
  float* fp32(std::int64_t count, const char* label) {
    return arena_.allocate_array<float>(count, label);
  }

  void allocate_attention_output(LayerActivations& a) {
    a.attention = activation(tokens_.local, sizes_.q_cols, "attention output");
    a.lse = fp32(sizes_.heads.num_q_heads * tokens_.local, "attention log-sum-exp");
  }

  void allocate_recomputable(LayerActivations& a) {
    const std::int64_t kv_cols = 2 * sizes_.kv_cols;
    a.normed_1 = activation(tokens_.sharded, sizes_.hidden, "input norm");
    a.inv_rms_1 = fp32(tokens_.sharded, "input norm statistics");
    a.q = activation(tokens_.local, sizes_.q_cols, "queries");
    a.kv = activation(tokens_.stream, kv_cols, "keys and values");
    if (sizes_.qk_norm) {
      a.q_raw = activation(tokens_.local, sizes_.q_cols, "queries before QK norm");
      a.kv_raw = activation(tokens_.local, kv_cols, "keys before QK norm");
      a.inv_rms_q = fp32(tokens_.local * sizes_.heads.num_q_heads, "query norm statistics");
      a.inv_rms_k = fp32(tokens_.local * sizes_.heads.num_kv_heads, "key norm statistics");
    }
    a.middle = activation(tokens_.sharded, sizes_.hidden, "hidden after attention");
    a.normed_2 = activation(tokens_.sharded, sizes_.hidden, "post-attention norm");
    a.inv_rms_2 = fp32(tokens_.sharded, "post-attention norm statistics");
    a.gate_up = activation(tokens_.local, 2 * sizes_.ffn, "gate and up");
  }

  LayerScratch allocate_scratch() {
    LayerScratch s;
    s.d_normed = hidden("norm output gradient");
    if (sizes_.tp > 1) {
      s.gathered = activation(tokens_.local, sizes_.hidden, "gathered hidden");
      s.partial = activation(tokens_.local, sizes_.hidden, "partial hidden");
    }
    // The MLP and the attention never run at the same time: their buffers share one place.
    const std::size_t begin = arena_.mark();
    s.activated = activation(tokens_.local, sizes_.ffn, "SwiGLU output");
    const std::size_t mlp_end = arena_.mark();
    arena_.release(begin);
    allocate_attention_scratch(s);
    if (arena_.mark() < mlp_end) arena_.allocate(mlp_end - arena_.mark(), "SwiGLU output");
    return s;
  }

  void allocate_attention_scratch(LayerScratch& s) {
    const std::int64_t kv_cols = 2 * sizes_.kv_cols;
    s.d_q = activation(tokens_.local, sizes_.q_cols, "query gradient");
    s.d_attention = activation(tokens_.local, sizes_.q_cols, "attention output gradient");
    s.d_kv = activation(tokens_.local, kv_cols, "key and value gradient");
    if (sizes_.cp == 1) return;
    s.kv_local = activation(tokens_.local, kv_cols, "local keys and values");
    s.kv_chunks = activation(tokens_.stream, kv_cols, "gathered keys and values");
    s.d_kv_stream = fp32(tokens_.stream * kv_cols, "key and value gradient of the stream");
    s.d_kv_chunks = fp32(tokens_.stream * kv_cols, "key and value gradient by chunks");
    s.d_kv_local = fp32(tokens_.local * kv_cols, "reduced key and value gradient");
  }

  void* hidden(const char* label) { return activation(tokens_.sharded, sizes_.hidden, label); }

 private:
  const LocalSizes& sizes_;
  TokenCounts tokens_;
  DType dtype_;
  Arena& arena_;
};

}  // namespace

std::string_view name_of(Recompute mode) { return name_in(kRecomputeModes, mode); }

Recompute parse_recompute(std::string_view text) {
  return parse_choice("recompute_granularity", text, kRecomputeModes);
}

std::string describe(const Recomputation& recomputation, std::int64_t layers) {
  const std::string mode(name_of(recomputation.mode));
  if (recomputation.mode == Recompute::none || recomputation.kept_layers == 0) return mode;
  return fmt::format("{} in {} of {} layers", mode, layers - recomputation.kept_layers, layers);
}

Activations::Activations(const LocalSizes& sizes, std::int64_t max_tokens,
                         const Recomputation& recomputation, DType dtype, Arena& arena)
    : recomputation_(recomputation), layers_(static_cast<std::size_t>(sizes.layers)) {
  LONGHAUL_CHECK(recomputation.kept_layers >= 0 && recomputation.kept_layers <= sizes.layers,
                 "{} of {} layers keep everything", recomputation.kept_layers, sizes.layers);
  Allocator allocator(sizes, max_tokens, dtype, arena);
  arena.begin_section("working buffers of a layer");
  scratch_ = allocator.allocate_scratch();
  LayerActivations shared;
  if (mode(0) == Recompute::full) allocator.allocate_attention_output(shared);
  if (mode(0) != Recompute::none) allocator.allocate_recomputable(shared);
  d_hidden_ = allocator.hidden("hidden gradient");
  arena.begin_section("activations kept");
  for (std::int64_t i = 0; i < sizes.layers; ++i) {
    LayerActivations& layer = layers_[static_cast<std::size_t>(i)];
    layer = shared;
    layer.input = allocator.hidden("layer input");
    if (mode(i) != Recompute::full) allocator.allocate_attention_output(layer);
    if (mode(i) == Recompute::none) allocator.allocate_recomputable(layer);
  }
  output_ = allocator.hidden("last layer's output");
}

}  // namespace longhaul
