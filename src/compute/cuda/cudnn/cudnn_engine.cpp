#include "compute/cuda/cudnn/cudnn_engine.h"

#include <algorithm>

namespace longhaul::cuda {
namespace {

/// The head sizes of the models that matter for speed. cuDNN 9.19 accepts heads of 16 and ends with
/// an illegal instruction; what is not proven here is left to our own kernel.
bool knows(const AttentionHeads& heads) { return heads.head_dim == 64 || heads.head_dim == 128; }

}  // namespace

std::string cudnn_problem() { return CudnnAttention::library_problem(); }

std::string CudnnEngine::name() const {
  return fmt::format("cuDNN {}", CudnnAttention::library_version());
}

bool CudnnEngine::takes(const AttentionHeads& heads,
                        std::initializer_list<ConstMatrixView> views) const {
  return knows(heads) && cudnn_.problem(heads).empty() &&
         std::all_of(views.begin(), views.end(), CudnnAttention::accepts);
}

FlashEngine& CudnnEngine::flash() {
  const std::size_t kept = std::min(CudnnAttention::persistent_bytes(), workspace_bytes_);
  // cuDNN has written there since: nothing of an earlier call can be used.
  flash_.set_workspace(workspace_ + kept, workspace_bytes_ - kept);
  return flash_;
}

std::size_t CudnnEngine::workspace_bytes(std::int64_t max_tokens, std::int64_t max_keys,
                                         const AttentionHeads& heads) const {
  const std::size_t own =
      CudnnAttention::persistent_bytes() + flash_.workspace_bytes(max_tokens, max_keys, heads);
  if (!knows(heads) || !cudnn_.problem(heads).empty()) return own;
  return std::max(own, cudnn_.workspace_bytes(max_tokens, max_keys, heads));
}

void CudnnEngine::set_workspace(void* data, std::size_t bytes) {
  workspace_ = static_cast<std::byte*>(data);
  workspace_bytes_ = bytes;
  cudnn_.set_workspace(data, bytes);
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
