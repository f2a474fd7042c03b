#pragma once

#include "model/activation_arena.h"
#include "runtime/runtime.h"

namespace longhaul {

/// Context parallelism's exchange of keys and values [rows, 2 kv_cols], and of their gradients, on
/// the runtime's layer stream, so that computing can go on between a start and its finish. With CP
/// 1 the local rows are the stream's, and nothing happens.
class KvExchange {
 public:
  KvExchange(Runtime& runtime, const LocalSizes& sizes, ActivationArena arena);

  /// Where to put K and V of this rank [cp_local, 2 kv_cols] before they are gathered into `kv`:
  /// with CP 1 `kv` itself.
  [[nodiscard]] MatrixView local(MatrixView kv, const TokenCounts& tokens) const;
  /// What was put there is on its way.
  void start_gather(ConstMatrixView local);
  /// kv [global, 2 kv_cols], in stream order, may be read by what is issued from now on.
  void finish_gather(MatrixView kv);

  /// Where this rank's part of the stream's gradient goes: fp32 [global, 2 kv_cols], zero. With CP
  /// 1 d_local itself.
  [[nodiscard]] MatrixView stream_gradient(MatrixView d_local, const TokenCounts& tokens);
  /// The stream's gradients of all ranks are being summed.
  void start_reduce(const TokenCounts& tokens);
  /// The sum of the local rows is in d_local [cp_local, 2 kv_cols], in the compute dtype.
  void finish_reduce(MatrixView d_local);

 private:
  [[nodiscard]] bool alone() const { return sizes_.cp == 1; }
  void follow_compute();
  void wait();

  Runtime& runtime_;
  const LocalSizes& sizes_;
  Event computed_{};
  Event exchanged_{};
  // With CP only:
  void* local_ = nullptr;      // [cp_local, 2 kv_cols]
  void* chunks_ = nullptr;     // [global, 2 kv_cols], rank-major
  float* d_stream_ = nullptr;  // [global, 2 kv_cols] fp32
  float* d_chunks_ = nullptr;  // [global, 2 kv_cols] fp32, rank-major
  float* d_local_ = nullptr;   // [cp_local, 2 kv_cols] fp32
};

}  // namespace longhaul
