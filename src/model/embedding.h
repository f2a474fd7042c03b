#pragma once

#include "model/layer_context.h"

namespace longhaul {

/// The token embedding. Its rows are split over TP: each rank looks up the ids that it holds, and
/// the sum over the group is scattered to the token-sharded hidden state.
class Embedding {
 public:
  explicit Embedding(const ModelContext& context);

  /// batch.ids -> output [sp, H], overwritten.
  void forward(const WeightLease& weights, const DeviceBatch& batch, MatrixView output) const;
  /// d_hidden [sp, H]: gradient of the output.
  void backward(const DeviceBatch& batch, ConstMatrixView d_hidden, GradientSink& sink) const;

 private:
  const ModelContext& context_;
  int embedding_;
};

}  // namespace longhaul
