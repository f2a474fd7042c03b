#pragma once

// Attention through cuDNN. Declares nothing of cuDNN's, so that anything may include it.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "compute/cuda/cudnn/cudnn_groups.h"
#include "compute/cuda/cudnn/cudnn_workspace.h"
#include "compute/ops.h"

namespace longhaul {

/// Attention over segments, BF16, by the contract of Ops::attention_forward and _backward.
///
/// Forward is one bottom-right causal call for each group of segments of similar length. Backward
/// is a top-left causal call for the diagonal squares and, where keys lie before a segment's
/// queries, an unmasked call for these. cuDNN writes dK and dV as BF16 into temporaries; our own
/// kernels add or copy them to where they belong.
///
/// Plans are built for shapes when they are first met. cuDNN compiles each backward plan, which
/// takes about a second: some tens of them in the first few hundred packs, fewer and fewer later.
/// All other calls only issue work: no allocation on the device, no synchronisation.
///
/// The forward pass gives the same bits every time. The backward pass does not: cuDNN adds dQ up
/// with atomics (its deterministic form needs a workspace that is quadratic in the length).
class CudnnAttention {
 public:
  struct Options {
    /// The backward pass works on fewer heads at a time when all at once would need more than this.
    std::size_t backward_bytes = cudnn::kBackwardBytes;
    cudnn::BatchPadding padding = cudnn::BatchPadding::empty_segments;
    /// Estimates that decide which length classes share a call; see GroupingRules.
    double forward_call_seconds = 10e-6;
    double forward_empty_block_seconds = 7e-9;
    double backward_call_seconds = 30e-6;
    double backward_empty_block_seconds = 15e-9;
  };

  CudnnAttention();
  explicit CudnnAttention(const Options& options);
  ~CudnnAttention();
  CudnnAttention(const CudnnAttention&) = delete;
  CudnnAttention& operator=(const CudnnAttention&) = delete;

  /// Why there is no usable cuDNN on this machine; empty when there is. Needs no device.
  [[nodiscard]] static std::string library_problem();
  /// "9.19.0"; "0.0.0" when there is none.
  [[nodiscard]] static std::string library_version();

  /// Why cuDNN cannot attend with these heads on the current device; empty when it can. Compiles
  /// nothing.
  [[nodiscard]] std::string problem(const AttentionHeads& heads) const;
  /// Can cuDNN read (and write) this view's rows? It needs BF16 and multiples of 16 bytes. Asked of
  /// q, k, v, o and d_o; the gradients may lie anywhere.
  [[nodiscard]] static bool accepts(const ConstMatrixView& view);

  /// Device memory of cudnn::workspace_bytes(shape), aligned to 256 bytes. Its first
  /// cudnn::kPersistentBytes hold the tables of the last segments and must not be written by anyone
  /// else until the next set_workspace(); the rest is free for others between calls. Calls up to
  /// `shape` share their plans, whatever their exact sizes are.
  void set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes);

  /// q [Tq, heads * D], k, v [Tkv, kv_heads * D] -> o [Tq, heads * D], lse [heads, Tq] fp32, heads
  /// lse_stride elements apart; rows outside every segment are not written.
  void forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
               std::span<const AttentionSegment> segments, const AttentionHeads& heads,
               MatrixView o, float* lse, std::int64_t lse_stride, cudaStream_t stream);
  /// -> dq [Tq, heads * D] BF16, overwritten; dk, dv [Tkv, kv_heads * D], fp32 accumulated or BF16
  /// overwritten. Segments have no query rows in common. Gradients of keys are rounded to BF16 once
  /// for each segment before they are added; dq is the rounded sum of two rounded parts where keys
  /// lie before the queries.
  void backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v, ConstMatrixView o,
                const float* lse, std::int64_t lse_stride, ConstMatrixView d_o,
                std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                MatrixView dq, MatrixView dk, MatrixView dv, AccumulateMode write_dkv,
                cudaStream_t stream);

  struct Statistics {
    std::size_t plans = 0;           // built so far
    double plan_seconds = 0.0;       // host time for them
    std::size_t forward_calls = 0;   // cuDNN calls of the last forward()
    std::size_t backward_calls = 0;  // and of the last backward()
    std::size_t largest_plan_bytes = 0;
  };
  [[nodiscard]] Statistics statistics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace longhaul
