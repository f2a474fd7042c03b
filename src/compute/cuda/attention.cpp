#include "compute/cuda/cuda_backend.h"

namespace longhaul::cuda {
namespace {

void check_matrix(const ConstMatrixView& m, std::int64_t rows, std::int64_t cols,
                  const char* name) {
  LONGHAUL_CHECK(m.rows == rows && m.cols == cols && m.stride >= m.cols,
                 "attention: {} is [{}, {}] with stride {}, expected [{}, {}]", name, m.rows,
                 m.cols, m.stride, rows, cols);
}

void check_attention(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                     std::span<const AttentionSegment> segments, const AttentionHeads& heads) {
  LONGHAUL_CHECK(heads.kv_heads > 0 && heads.heads % heads.kv_heads == 0,
                 "attention: {} heads on {} key/value heads", heads.heads, heads.kv_heads);
  const std::int64_t dim = heads.head_dim;
  check_matrix(q, q.rows, heads.heads * dim, "q");
  check_matrix(k, k.rows, heads.kv_heads * dim, "k");
  check_matrix(v, k.rows, heads.kv_heads * dim, "v");
  for (const AttentionSegment& s : segments) {
    LONGHAUL_CHECK(s.q_begin >= 0 && s.q_len >= 1 && s.q_begin + s.q_len <= q.rows,
                   "attention: queries {} + {} of {}", s.q_begin, s.q_len, q.rows);
    LONGHAUL_CHECK(s.kv_begin >= 0 && s.kv_len >= s.q_len && s.kv_begin + s.kv_len <= k.rows,
                   "attention: keys {} + {} of {} for {} queries", s.kv_begin, s.kv_len, k.rows,
                   s.q_len);
  }
}

}  // namespace

std::size_t CudaBackend::workspace_bytes(std::int64_t max_tokens, std::int64_t max_keys,
                                         const AttentionHeads& heads) const {
  return attention_->workspace_bytes(max_tokens, max_keys, heads);
}

void CudaBackend::set_workspace(void* data, std::size_t bytes) {
  attention_->set_workspace(data, bytes);
}

void CudaBackend::attention_forward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                    std::span<const AttentionSegment> segments,
                                    const AttentionHeads& heads, MatrixView o, float* lse) {
  check_attention(q, k, v, segments, heads);
  check_matrix(o, q.rows, q.cols, "o");
  attention_->forward(q, k, v, segments, heads, o, lse, stream_.get());
}

void CudaBackend::attention_backward(ConstMatrixView q, ConstMatrixView k, ConstMatrixView v,
                                     ConstMatrixView o, const float* lse, ConstMatrixView d_o,
                                     std::span<const AttentionSegment> segments,
                                     const AttentionHeads& heads, MatrixView dq, MatrixView dk,
                                     MatrixView dv, Write write_dkv) {
  check_attention(q, k, v, segments, heads);
  check_matrix(o, q.rows, q.cols, "o");
  check_matrix(d_o, q.rows, q.cols, "d_o");
  check_matrix(dq, q.rows, q.cols, "dq");
  check_matrix(dk, k.rows, k.cols, "dk");
  check_matrix(dv, k.rows, k.cols, "dv");
  const DType expected = write_dkv == Write::accumulate ? DType::f32 : DType::bf16;
  LONGHAUL_CHECK(dk.dtype == expected && dv.dtype == expected,
                 "attention: dk is {} and dv {}, expected {}", name_of(dk.dtype), name_of(dv.dtype),
                 name_of(expected));
  attention_->backward(q, k, v, o, lse, d_o, segments, heads, dq, dk, dv, write_dkv, stream_.get());
}

}  // namespace longhaul::cuda
