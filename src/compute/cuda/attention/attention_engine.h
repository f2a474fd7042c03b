#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <string>

#include "compute/backend.h"

namespace longhaul::cuda {

/// One way to compute attention on the GPU; the contract of the two ops is Backend's.
class AttentionEngine {
 public:
  AttentionEngine() = default;
  virtual ~AttentionEngine() = default;
  AttentionEngine(const AttentionEngine&) = delete;
  AttentionEngine& operator=(const AttentionEngine&) = delete;

  /// "cuDNN 9.19", "own kernel".
  [[nodiscard]] virtual std::string name() const = 0;
  /// Upper bound of the workspace for up to max_tokens queries and max_keys keys.
  [[nodiscard]] virtual std::size_t workspace_bytes(std::int64_t max_tokens, std::int64_t max_keys,
                                                    const AttentionHeads& heads) const = 0;
  /// Device memory that only this engine writes to, until the next call.
  virtual void set_workspace(void* data, std::size_t bytes) = 0;

  virtual void forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                       std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                       MatrixView o, float* lse, cudaStream_t stream) = 0;
  virtual void backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView o,
                        const float* lse, ConstMatrixView d_o,
                        std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                        MatrixView dq, MatrixView dk, MatrixView dv, AccumulateMode write_dkv,
                        cudaStream_t stream) = 0;
};

}  // namespace longhaul::cuda
