#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <string>

#include "compute/ops.h"

namespace longhaul::cuda {

/// One way to compute attention on the GPU; the contract of the two ops is Ops'.
class AttentionEngine {
 public:
  AttentionEngine() = default;
  virtual ~AttentionEngine() = default;
  AttentionEngine(const AttentionEngine&) = delete;
  AttentionEngine& operator=(const AttentionEngine&) = delete;

  /// "cuDNN 9.19", "own kernel".
  [[nodiscard]] virtual std::string name() const = 0;
  /// Device memory that only this engine writes to, until the next call; as large as the device
  /// model says for `shape`.
  virtual void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) = 0;

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
