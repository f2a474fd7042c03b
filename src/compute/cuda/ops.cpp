// The ops that are one kernel each: see kernels/.
#include "compute/cuda/cuda_ops.h"
#include "kernels/adamw.h"
#include "kernels/column_sums.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/head_norm_rope.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/rows.h"
#include "kernels/sum_of_squares.h"
#include "kernels/swiglu.h"
#include "kernels/weighted_sum.h"

namespace longhaul::cuda {

void CudaOps::bias_backward(ConstMatrixView dy, float* dbias) {
  kernels::bias_backward(dy, dbias, scratch_.data(), scratch_.bytes(), stream_);
}

void CudaOps::embedding_forward(const std::int32_t* ids, ConstMatrixView table,
                                std::int64_t vocab_begin, MatrixView out) {
  kernels::embedding_forward(ids, table, vocab_begin, out, stream_);
}

void CudaOps::embedding_backward(const std::int32_t* ids, ConstMatrixView dout,
                                 std::int64_t vocab_begin, MatrixView dtable) {
  kernels::embedding_backward(ids, dout, vocab_begin, dtable, scratch_.data(), scratch_.bytes(),
                              stream_);
}

void CudaOps::rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                               MatrixView y, float* inv_rms) {
  kernels::rms_norm_forward(x, groups, weight, epsilon, y, inv_rms, stream_);
}

void CudaOps::rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups,
                                const void* weight, const float* inv_rms, MatrixView dx,
                                AccumulateMode write, float* dweight) {
  kernels::rms_norm_backward(dy, x, groups, weight, inv_rms, dx, write, dweight, scratch_.data(),
                             scratch_.bytes(), stream_);
}

void CudaOps::rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
                   RopeDirection direction) {
  kernels::rope(x, heads, positions, table, direction, stream_);
}

void CudaOps::head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight,
                                     float epsilon, const std::int32_t* positions,
                                     const RopeTable& table, MatrixView y, float* inv_rms) {
  kernels::head_norm_rope_forward(x, heads, weight, epsilon, positions, table, y, inv_rms, stream_);
}

void CudaOps::head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads,
                                      const void* weight, const float* inv_rms,
                                      const std::int32_t* positions, const RopeTable& table,
                                      float* dweight) {
  kernels::head_norm_rope_backward(dy, x, heads, weight, inv_rms, positions, table, dweight,
                                   scratch_.data(), scratch_.bytes(), stream_);
}

void CudaOps::swiglu_forward(ConstMatrixView gate_up, MatrixView act) {
  kernels::swiglu_forward(gate_up, act, stream_);
}

void CudaOps::swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up) {
  kernels::swiglu_backward(dact, gate_up, dgate_up, stream_);
}

void CudaOps::gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) {
  kernels::gather_rows(src, rows, dst, stream_);
}

void CudaOps::scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) {
  kernels::scatter_rows(src, rows, dst, stream_);
}

void CudaOps::reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order,
                             MatrixView dst) {
  kernels::reorder_chunks(src, order, dst, stream_);
}

void CudaOps::cross_entropy_partials(ConstMatrixView logits, std::int64_t valid_cols,
                                     const std::int32_t* targets, std::int64_t vocab_begin,
                                     float* partials) {
  kernels::cross_entropy_partials(logits, valid_cols, targets, vocab_begin, partials, stream_);
}

void CudaOps::cross_entropy_combine(const float* all_partials, int parts, std::int64_t rows,
                                    float* nll, float* lse) {
  kernels::cross_entropy_combine(all_partials, parts, rows, nll, lse, stream_);
}

void CudaOps::cross_entropy_backward(MatrixView logits, std::int64_t valid_cols,
                                     const std::int32_t* targets, std::int64_t vocab_begin,
                                     const float* weights, const float* lse) {
  kernels::cross_entropy_backward(logits, valid_cols, targets, vocab_begin, weights, lse, stream_);
}

void CudaOps::weighted_sum(const float* nll, const float* weights, std::int64_t rows,
                           double* result) {
  kernels::weighted_sum(nll, weights, rows, result, scratch_.data(), scratch_.bytes(), stream_);
}

void CudaOps::add(ConstMatrixView x, MatrixView y) { kernels::add(x, y, stream_); }

void CudaOps::convert(ConstMatrixView src, MatrixView dst) { kernels::convert(src, dst, stream_); }

void CudaOps::accumulate(const float* src, float* dst, std::int64_t count) {
  kernels::accumulate(src, dst, count, stream_);
}

void CudaOps::adamw(const AdamWStep& step) { kernels::adamw(step, stream_); }

void CudaOps::sum_of_squares(const float* x, std::int64_t count, double* result) {
  kernels::sum_of_squares(x, count, result, scratch_.data(), scratch_.bytes(), stream_);
}

}  // namespace longhaul::cuda
