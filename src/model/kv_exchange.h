#pragma once

#include "model/activations.h"
#include "model/local_sizes.h"
#include "runtime/runtime.h"

namespace longhaul {

/// Context parallelism's exchange of keys and values [rows, 2 kv_cols], and of their gradients, on
/// the runtime's layer stream, so that computing can go on between a start and its finish. With CP
/// 1 the local rows are the stream's, and nothing happens.
class KvExchange {
 public:
  KvExchange(Runtime& runtime, const LocalSizes& sizes);

  /// local [local, 2 kv_cols] of each rank is on its way.
  void start_gather(ConstMatrixView local, const LayerScratch& scratch);
  /// stream [stream, 2 kv_cols], in stream order, may be read by what is issued from now on.
  void finish_gather(MatrixView stream, const LayerScratch& scratch);

  /// scratch.d_kv_stream [stream, 2 kv_cols] of all ranks is being summed.
  void start_reduce(const TokenCounts& tokens, const LayerScratch& scratch);
  /// The local rows' sum is in d_local [local, 2 kv_cols], in the weights' dtype.
  void finish_reduce(MatrixView d_local, const LayerScratch& scratch);

 private:
  [[nodiscard]] bool alone() const { return sizes_.cp == 1; }
  void follow_compute();
  void wait();

  Runtime& runtime_;
  const LocalSizes& sizes_;
  Event computed_{};
  Event exchanged_{};
};

}  // namespace longhaul
