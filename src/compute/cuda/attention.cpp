#include "compute/cuda/cuda_ops.h"
#include "kernels/support/view_checks.cuh"

namespace longhaul::cuda {
namespace {

using kernels::check_view;

constexpr const char* kOp = "attention";

void check_attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                     std::span<const AttentionSegment> segments, const AttentionHeads& heads) {
  LONGHAUL_CHECK(heads.num_kv_heads > 0 && heads.num_q_heads % heads.num_kv_heads == 0,
                 "attention: {} heads on {} key/value heads", heads.num_q_heads,
                 heads.num_kv_heads);
  const std::int64_t dim = heads.head_dim;
  check_view(q, DType::bf16, q.rows, heads.num_q_heads * dim, kOp, "q");
  check_view(k, DType::bf16, k.rows, heads.num_kv_heads * dim, kOp, "k");
  check_view(v, DType::bf16, k.rows, heads.num_kv_heads * dim, kOp, "v");
  for (const AttentionSegment& s : segments) {
    LONGHAUL_CHECK(s.q_begin >= 0 && s.q_len >= 1 && s.q_begin + s.q_len <= q.rows,
                   "attention: queries {} + {} of {}", s.q_begin, s.q_len, q.rows);
    LONGHAUL_CHECK(s.kv_begin >= 0 && s.kv_len >= s.q_len && s.kv_begin + s.kv_len <= k.rows,
                   "attention: keys {} + {} of {} for {} queries", s.kv_begin, s.kv_len, k.rows,
                   s.q_len);
  }
}

}  // namespace

void CudaOps::set_workspace(const WorkspaceShape& shape, void* data, std::size_t bytes) {
  attention_->set_workspace(shape, data, bytes);
}

void CudaOps::attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                std::span<const AttentionSegment> segments,
                                const AttentionHeads& heads, MatrixView o, float* lse) {
  check_attention(q, k, v, segments, heads);
  check_view(o, DType::bf16, q.rows, q.cols, kOp, "o");
  attention_->forward(q, k, v, segments, heads, o, lse, stream_);
}

void CudaOps::attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                 ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                                 std::span<const AttentionSegment> segments,
                                 const AttentionHeads& heads, MatrixView dq, MatrixView dk,
                                 MatrixView dv, AccumulateMode write_dkv) {
  check_attention(q, k, v, segments, heads);
  check_view(o, DType::bf16, q.rows, q.cols, kOp, "o");
  check_view(d_o, DType::bf16, q.rows, q.cols, kOp, "d_o");
  check_view(dq, DType::bf16, q.rows, q.cols, kOp, "dq");
  const DType dkv_type = write_dkv == AccumulateMode::accumulate ? DType::f32 : DType::bf16;
  check_view(dk, dkv_type, k.rows, k.cols, kOp, "dk");
  check_view(dv, dkv_type, k.rows, k.cols, kOp, "dv");
  attention_->backward(q, k, v, o, lse, d_o, segments, heads, dq, dk, dv, write_dkv, stream_);
}

}  // namespace longhaul::cuda
