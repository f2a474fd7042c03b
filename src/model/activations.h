#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/arena.h"
#include "core/choices.h"
#include "model/local_sizes.h"

namespace longhaul {

/// What the forward pass of a layer keeps for its backward pass. What is not kept is computed again
/// from what is, by the same code, so the three modes give the same bits.
enum class Recompute : std::uint8_t {
  none,       // everything is kept
  selective,  // the layer's input, attention output and log-sum-exp: all but the attention is
              // redone
  full,       // the layer's input alone
};

inline constexpr std::array<Choice<Recompute>, 3> kRecomputeModes{
    {{Recompute::none, "none"}, {Recompute::selective, "selective"}, {Recompute::full, "full"}}};

std::string_view name_of(Recompute mode);
/// Throws UserError for anything but these names.
Recompute parse_recompute(std::string_view text);

/// Buffers of one layer's activations. Those that the mode does not keep are shared by all layers.
struct LayerActivations {
  void* input = nullptr;       // x [sharded, H]
  void* normed_1 = nullptr;    // [sharded, H]
  float* inv_rms_1 = nullptr;  // [sharded]
  void* kv_raw = nullptr;      // [local, 2 kv_cols] before QK norm and RoPE (QK norm models only)
  void* q_raw = nullptr;       // [local, q_cols] likewise
  float* inv_rms_k = nullptr;  // [local, kv_heads]
  float* inv_rms_q = nullptr;  // [local, heads]
  void* q = nullptr;           // [local, q_cols] as attention sees it
  void* kv = nullptr;          // [stream, 2 kv_cols] as attention sees it, in stream order
  void* attention = nullptr;   // o [local, q_cols]
  float* lse = nullptr;        // [heads, local]
  void* middle = nullptr;      // x after attention [sharded, H]
  void* normed_2 = nullptr;    // [sharded, H]
  float* inv_rms_2 = nullptr;  // [sharded]
  void* gate_up = nullptr;     // [local, 2 ffn]
};

/// Buffers that every layer uses in turn and that hold nothing between two blocks.
struct LayerScratch {
  void* d_normed = nullptr;  // [sharded, H]
  // With TP only:
  void* gathered = nullptr;  // hidden of all TP ranks [local, H]
  void* partial = nullptr;   // this TP rank's summand of hidden [local, H]
  // The MLP's; they lie where the attention's lie:
  void* activated = nullptr;  // SwiGLU's output, or its gradient [local, ffn]
  // The attention's:
  void* d_q = nullptr;          // [local, q_cols]
  void* d_attention = nullptr;  // [local, q_cols]
  void* d_kv = nullptr;         // [local, 2 kv_cols] in the weights' dtype
  // With CP only:
  void* kv_local = nullptr;      // [local, 2 kv_cols]
  void* kv_chunks = nullptr;     // [stream, 2 kv_cols], rank-major
  float* d_kv_stream = nullptr;  // [stream, 2 kv_cols] fp32
  float* d_kv_chunks = nullptr;  // [stream, 2 kv_cols] fp32, rank-major
  float* d_kv_local = nullptr;   // [local, 2 kv_cols] fp32
};

/// What the layers compute again: `mode`, but nothing in the last `kept_layers` of them, which keep
/// everything.
struct Recomputation {
  Recompute mode = Recompute::none;
  std::int64_t kept_layers = 0;
};

/// "none", "selective", "selective in 40 of 64 layers".
std::string describe(const Recomputation& recomputation, std::int64_t layers);

/// All activation memory of the transformer layers for micro-batches of up to max_tokens.
class Activations {
 public:
  Activations(const LocalSizes& sizes, std::int64_t max_tokens, const Recomputation& recomputation,
              DType dtype, Arena& arena);

  [[nodiscard]] Recompute mode(std::int64_t layer) const {
    const auto layers = static_cast<std::int64_t>(layers_.size());
    return layer < layers - recomputation_.kept_layers ? recomputation_.mode : Recompute::none;
  }
  [[nodiscard]] const LayerActivations& layer(std::int64_t index) const {
    return layers_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const LayerScratch& scratch() const { return scratch_; }
  /// x after the last layer [sharded, H].
  [[nodiscard]] void* output() const { return output_; }
  /// Gradient of the loss by x, handed from layer to layer in place [sharded, H].
  [[nodiscard]] void* d_hidden() const { return d_hidden_; }

 private:
  Recomputation recomputation_;
  std::vector<LayerActivations> layers_;
  LayerScratch scratch_;
  void* output_ = nullptr;
  void* d_hidden_ = nullptr;
};

}  // namespace longhaul
