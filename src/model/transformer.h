#pragma once

#include <memory>
#include <vector>

#include "core/arena.h"
#include "model/activations.h"
#include "model/attention_block.h"
#include "model/embedding.h"
#include "model/loss_head.h"
#include "model/mlp_block.h"
#include "model/model_config.h"
#include "model/sequence_parallel_comm.h"
#include "model/weights.h"
#include "runtime/runtime.h"

namespace longhaul {

/// A Qwen2 or Qwen3 decoder with hand-written forward and backward passes, on one rank's part of
/// the heads, tokens and vocabulary.
class Transformer {
 public:
  /// Takes all memory that it needs for micro-batches of up to max_tokens from `arena`.
  /// max_position: positions are below it (the longest document).
  Transformer(Runtime& runtime, const ModelConfig& config, const ParameterTable& table,
              const Weights& weights, std::int64_t max_tokens, std::int64_t max_position,
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
  void backward_layer(const DeviceBatch& batch, int layer, GradientSink& sink);
  [[nodiscard]] MatrixView layer_output(const TokenCounts& tokens, std::int64_t layer) const;

  const ModelConfig& config_;
  LocalSizes sizes_;
  std::int64_t max_tokens_;
  SequenceParallelComm exchange_;
  KvExchange kv_exchange_;
  ModelContext context_;
  float* rope_cos_;
  float* rope_sin_;
  Activations activations_;
  Embedding embedding_;
  std::vector<AttentionBlock> attention_;
  std::vector<MlpBlock> mlp_;
  LossHead head_;
};

}  // namespace longhaul
