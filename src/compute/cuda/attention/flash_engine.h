#pragma once

#include <vector>

#include "compute/cuda/attention/attention_engine.h"
#include "compute/cuda/device/pinned_ring.h"
#include "kernels/attention/flash_attention.h"

namespace longhaul::cuda {

/// Attention by our own kernel: any head size, FP32 dK and dV, the same bits every time.
class FlashEngine final : public AttentionEngine {
 public:
  FlashEngine() = default;

  [[nodiscard]] std::string name() const override { return "own kernel"; }
  void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) override;
  void forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
               std::span<const AttentionSegment> segments, const AttentionHeads& heads,
               MatrixView o, float* lse, cudaStream_t stream) override;
  void backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView o,
                const float* lse, ConstMatrixView d_o, std::span<const AttentionSegment> segments,
                const AttentionHeads& heads, MatrixView dq, MatrixView dk, MatrixView dv,
                AccumulateMode write_dkv, cudaStream_t stream) override;

 private:
  /// The device copy of the plan for these segments. All layers of a micro-batch share it, so it is
  /// made and copied once.
  const std::int32_t* device_plan(std::span<const AttentionSegment> segments, cudaStream_t stream);
  /// Where the plan ends and the kernels' own memory begins.
  [[nodiscard]] std::size_t plan_bytes() const;

  std::byte* workspace_ = nullptr;
  std::size_t workspace_bytes_ = 0;
  kernels::FlashAttentionPlan plan_;
  std::vector<AttentionSegment> planned_;  // what plan_ was made for
  bool plan_on_device_ = false;
  PinnedRing ring_;
};

}  // namespace longhaul::cuda
