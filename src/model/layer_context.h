#pragma once

#include "model/device_batch.h"
#include "model/gradient_sink.h"
#include "model/hidden_scratch.h"
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
  Weights& weights;
  SequenceParallelComm& sp_comm;
  KvExchange& kv_exchange;
  const HiddenScratch& scratch;
  RopeTable rope;

  [[nodiscard]] DType dtype() const { return runtime.device.compute_dtype(); }
  /// A [rows, cols] view of an activation buffer.
  [[nodiscard]] MatrixView view(void* data, std::int64_t rows, std::int64_t cols) const {
    return {data, dtype(), rows, cols};
  }
};

}  // namespace longhaul
