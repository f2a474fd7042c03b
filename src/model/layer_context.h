#pragma once

#include "model/activations.h"
#include "model/device_batch.h"
#include "model/gradient_sink.h"
#include "model/kv_exchange.h"
#include "model/local_sizes.h"
#include "model/sequence_parallel_comm.h"
#include "model/weights.h"
#include "runtime/runtime.h"

namespace longhaul {

/// What all blocks of the model share.
struct ModelContext {
  Runtime& runtime;
  const LocalSizes& sizes;
  const ParameterTable& table;
  const Weights& weights;
  SequenceParallelComm& exchange;
  KvExchange& kv_exchange;
  RopeTable rope;

  [[nodiscard]] DType dtype() const { return runtime.device.compute_dtype(); }
  /// A [rows, cols] view of an activation buffer.
  [[nodiscard]] MatrixView view(void* data, std::int64_t rows, std::int64_t cols) const {
    return {data, dtype(), rows, cols};
  }
};

/// hidden [sharded, H] = the sum over TP of x [local, K] times a row-parallel weight, plus the
/// residual [sharded, H]; another buffer than `hidden`.
void project_to_hidden(const ModelContext& context, ConstMatrixView x, int weight_parameter,
                       ConstMatrixView residual, const LayerScratch& scratch, MatrixView hidden,
                       Label label);

/// Adds the gradient of one linear layer's weight and bias (bias_parameter -1: none).
void accumulate_linear_gradient(const ModelContext& context, GradientSink& sink, ConstMatrixView dy,
                                ConstMatrixView x, int weight_parameter, int bias_parameter);

}  // namespace longhaul
