#pragma once

#include <memory>
#include <string>

#include "compute/cuda/attention/attention_engine.h"
#include "compute/cuda/attention/flash_engine.h"
#include "compute/cuda/cudnn/cudnn_attention.h"

namespace longhaul::cuda {

/// Why cuDNN cannot be used on this machine; empty when it can.
std::string cudnn_problem();

/// Attention by cuDNN for heads of 64 and 128 whose rows are aligned to 16 bytes; by our own kernel
/// for everything else.
class CudnnEngine final : public AttentionEngine {
 public:
  CudnnEngine() = default;

  [[nodiscard]] std::string name() const override;
  void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) override;
  void forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
               std::span<const AttentionSegment> segments, const AttentionHeads& heads,
               MatrixView o, float* lse, cudaStream_t stream) override;
  void backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView o,
                const float* lse, ConstMatrixView d_o, std::span<const AttentionSegment> segments,
                const AttentionHeads& heads, MatrixView dq, MatrixView dk, MatrixView dv,
                AccumulateMode write_dkv, cudaStream_t stream) override;

 private:
  [[nodiscard]] bool takes(const AttentionHeads& heads,
                           std::initializer_list<ConstMatrixView> views) const;
  /// Our own kernel, on the part of the workspace that cuDNN does not need to find again.
  FlashEngine& flash();

  CudnnAttention cudnn_;
  FlashEngine flash_;
  WorkspaceShape shape_;
  std::byte* workspace_ = nullptr;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace longhaul::cuda
