#include "compute/cuda/cudnn_engine.h"

#include <algorithm>

namespace longhaul::cuda {
namespace {

// Below, a call of its own does not fill a GPU, and our own kernel takes all such documents at
// once.
constexpr std::int32_t kShortestDocument = 2048;

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

void CudnnEngine::divide(std::span<const AttentionSegment> segments, Taken taken) {
  documents_.clear();
  others_.clear();
  for (const AttentionSegment& segment : segments) {
    const bool whole = segment.q_len == segment.kv_len && segment.q_len >= kShortestDocument;
    (taken == Taken::by_cudnn && whole ? documents_ : others_).push_back(segment);
  }
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
  divide(segments, takes(heads, {q, k, v, o}) ? Taken::by_cudnn : Taken::by_us);
  if (!others_.empty()) flash().forward(q, k, v, others_, heads, o, lse, stream);
  for (const AttentionSegment& d : documents_) {
    const AttentionSegment alone{0, d.q_len, 0, d.kv_len};
    cudnn_.forward(q.row_range(d.q_begin, d.q_len), k.row_range(d.kv_begin, d.kv_len),
                   v.row_range(d.kv_begin, d.kv_len), {&alone, 1}, heads,
                   o.row_range(d.q_begin, d.q_len), lse + d.q_begin, q.rows, stream);
  }
}

void CudnnEngine::backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                           ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                           std::span<const AttentionSegment> segments, const AttentionHeads& heads,
                           MatrixView dq, MatrixView dk, MatrixView dv, Write write_dkv,
                           cudaStream_t stream) {
  divide(segments, takes(heads, {q, k, v, o, d_o}) ? Taken::by_cudnn : Taken::by_us);
  if (!others_.empty()) {
    flash().backward(q, k, v, o, lse, d_o, others_, heads, dq, dk, dv, write_dkv, stream);
  }
  for (const AttentionSegment& d : documents_) {
    const AttentionSegment alone{0, d.q_len, 0, d.kv_len};
    cudnn_.backward(q.row_range(d.q_begin, d.q_len), k.row_range(d.kv_begin, d.kv_len),
                    v.row_range(d.kv_begin, d.kv_len), o.row_range(d.q_begin, d.q_len),
                    lse + d.q_begin, q.rows, d_o.row_range(d.q_begin, d.q_len), {&alone, 1}, heads,
                    dq.row_range(d.q_begin, d.q_len), dk.row_range(d.kv_begin, d.kv_len),
                    dv.row_range(d.kv_begin, d.kv_len), write_dkv, stream);
  }
}

}  // namespace longhaul::cuda
