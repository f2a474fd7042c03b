#pragma once

#include <vector>

#include "core/arena.h"
#include "model/decoder_layer.h"
#include "model/embedding.h"
#include "model/loss_head.h"
#include "model/model_config.h"
#include "model/recomputation.h"
#include "runtime/runtime.h"

namespace longhaul {

/// A Qwen2 or Qwen3 decoder with hand-written forward and backward passes, on one rank's part of
/// the heads, tokens and vocabulary.
class Transformer {
 public:
  /// Takes all memory that it needs for micro-batches of up to max_tokens from `arena`.
  /// max_position: positions are below it (the longest document).
  Transformer(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
              Weights& weights, std::int64_t max_tokens, std::int64_t max_position,
              const Recomputation& recomputation, Arena& arena);

  ~Transformer() = default;
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  /// Fills constant tables. Once, when the memory is real (not while measuring).
  void initialize();

  /// Loss rows' negative log-likelihoods of one micro-batch: nll().
  void forward(const DeviceBatch& batch);

  // A training micro-batch in two parts. The loss head is part of the second: it computes loss and
  // gradient of a chunk of rows in one go.
  /// The embedding and all layers.
  void forward_layers(const DeviceBatch& batch);
  /// After forward_layers() of the same batch: nll(), and the gradients of sum(weight * nll) over
  /// the micro-batch, accumulated into `sink`.
  void backward(const DeviceBatch& batch, GradientSink& sink);

  /// [loss_row_count] fp32 in device memory, valid until the next call.
  [[nodiscard]] const float* nll() const { return head_.nll(); }
  /// Logits of the last forward() batch: see LossHead::logits.
  MatrixView logits(const DeviceBatch& batch, std::int64_t first, std::int64_t count);
  [[nodiscard]] std::int64_t max_tokens() const { return max_tokens_; }

 private:
  /// `activations` takes from the arena of the public constructor.
  Transformer(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
              Weights& weights, std::int64_t max_tokens, std::int64_t max_position,
              const Recomputation& recomputation, ActivationArena activations);
  /// x after `layers` of the layers [sp, H].
  [[nodiscard]] MatrixView hidden_after(const TokenCounts& tokens, std::size_t layers) const;
  [[nodiscard]] MatrixView d_hidden(const TokenCounts& tokens) const {
    return context_.view(d_hidden_, tokens.sp, sizes_.hidden);
  }

  const ModelConfig& config_;
  LocalSizes sizes_;
  std::int64_t max_tokens_;
  // What follows takes its memory from the arena in this order.
  float* rope_cos_;
  float* rope_sin_;
  HiddenScratch hidden_scratch_;
  LayerScratch layer_scratch_;
  SharedBuffers shared_;
  void* d_hidden_;  // gradient of the loss by x, handed from layer to layer in place [sp, H]
  SequenceParallelComm sp_comm_;
  ModelContext context_;
  Embedding embedding_;
  std::vector<DecoderLayer> layers_;
  void* output_;  // x after the last layer [sp, H]
  LossHead head_;
};

}  // namespace longhaul
