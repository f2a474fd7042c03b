#include "compute/cuda/cudnn/cudnn_engine.h"

#include <algorithm>

#include "compute/cuda/cudnn/cudnn_workspace.h"

namespace longhaul::cuda {
std::string cudnn_problem() { return CudnnAttention::library_problem(); }

std::string CudnnEngine::name() const {
  return fmt::format("cuDNN {}", CudnnAttention::library_version());
}

bool CudnnEngine::takes(const AttentionHeads& heads,
                        std::initializer_list<ConstMatrixView> views) const {
  return cudnn::knows(heads) && cudnn_.problem(heads).empty() &&
         std::all_of(views.begin(), views.end(), CudnnAttention::accepts);
}

FlashEngine& CudnnEngine::flash() {
  const std::size_t kept = std::min(cudnn::kPersistentBytes, workspace_bytes_);
  // cuDNN has written there since: nothing of an earlier call can be used.
  flash_.set_workspace(shape_, workspace_ + kept, workspace_bytes_ - kept);
  return flash_;
}

void CudnnEngine::set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) {
  workspace_ = static_cast<std::byte*>(data);
  workspace_bytes_ = bytes;
  shape_ = shape;
  cudnn_.set_workspace(shape, data, bytes);
}

void CudnnEngine::forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                          std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                          MatrixView o, float* lse, cudaStream_t stream) {
  if (takes(heads, {q, k, v, o})) {
    cudnn_.forward(q, k, v, segments, heads, o, lse, q.rows, stream);
  } else {
    flash().forward(q, k, v, segments, heads, o, lse, stream);
  }
}

void CudnnEngine::backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                           ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                           std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                           MatrixView dq, MatrixView dk, MatrixView dv, AccumulateMode write_dkv,
                           cudaStream_t stream) {
  if (takes(heads, {q, k, v, o, d_o})) {
    cudnn_.backward(q, k, v, o, lse, q.rows, d_o, segments, heads, dq, dk, dv, write_dkv, stream);
  } else {
    flash().backward(q, k, v, o, lse, d_o, segments, heads, dq, dk, dv, write_dkv, stream);
  }
}

}  // namespace longhaul::cuda
