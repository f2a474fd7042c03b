#pragma once

#include <vector>

#include "core/arena.h"
#include "model/linear.h"

namespace longhaul {

/// Final norm, vocabulary-parallel projection and cross-entropy. Only the rows that carry loss go
/// through it, a chunk of rows at a time: forward, loss and backward of a chunk in one go, so the
/// logits of the whole micro-batch never exist.
class LossHead {
 public:
  LossHead(const ModelContext& context, ActivationArena arena);

  /// Rows that go through the projection at a time, for up to local_tokens of them.
  static std::int64_t chunk_rows(const LocalSizes& sizes, DType dtype, std::int64_t local_tokens);

  /// hidden [sp, H] -> nll() of the batch's loss rows.
  void forward(const WeightLease& weights, const DeviceBatch& batch, ConstMatrixView hidden) const;

  /// The same, and the gradient of sum(weight * nll): d_hidden [sp, H], overwritten.
  void forward_backward(const WeightLease& weights, const DeviceBatch& batch,
                        ConstMatrixView hidden, MatrixView d_hidden, GradientSink& sink) const;

  /// Negative log-likelihood of each loss row of the last batch, fp32, device memory.
  [[nodiscard]] const float* nll() const { return nll_; }

  /// hidden [sp, H] -> this rank's columns of the logits of loss rows first .. first + count:
  /// [count, vocab_rows], valid until the next call. count <= chunk_rows().
  MatrixView logits(const WeightLease& weights, const DeviceBatch& batch, ConstMatrixView hidden,
                    std::int64_t first, std::int64_t count) const;
  [[nodiscard]] std::int64_t chunk_rows() const { return chunk_rows_; }

 private:
  /// Final norm; gathers the local tokens of all TP ranks: [cp_local, H].
  [[nodiscard]] ConstMatrixView norm_and_gather(const WeightLease& weights,
                                                ConstMatrixView hidden) const;
  struct Chunk {
    std::int64_t first;
    std::int64_t count;
    MatrixView rows;    // [count, H]
    MatrixView logits;  // [count, vocab_rows]
  };
  [[nodiscard]] Chunk project(const WeightLease& weights, const DeviceBatch& batch,
                              ConstMatrixView norm_out, std::int64_t first,
                              std::int64_t count) const;
  void compute_loss(const DeviceBatch& batch, const Chunk& chunk) const;

  const ModelContext& context_;
  int final_norm_;
  Linear head_;
  std::int64_t chunk_rows_;
  void* norm_out_;       // [sp, H]
  float* inv_rms_;       // [sp]
  void* rows_;           // [chunk, H]
  void* d_rows_;         // [chunk, H]
  void* logits_;         // [chunk, vocab_rows]
  float* partials_;      // [chunk, 3]
  float* all_partials_;  // [tp, chunk, 3]
  float* lse_;           // [chunk]
  float* nll_;           // [cp_local]
};

}  // namespace longhaul
