#include <cblas.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {
namespace {

/// OpenBLAS counts in 32 bits.
blasint blas_int(std::int64_t value) {
  LONGHAUL_CHECK(value <= std::numeric_limits<blasint>::max(), "matrix dimension {} is too large",
                 value);
  return static_cast<blasint>(value);
}

/// c [m, n] = op(a) op(b) + beta c, with k the inner dimension.
void gemm(CBLAS_TRANSPOSE transpose_a, CBLAS_TRANSPOSE transpose_b, std::int64_t k,
          ConstMatrixView a, ConstMatrixView b, float beta, MatrixView c) {
  if (c.size() == 0) return;
  cblas_sgemm(CblasRowMajor, transpose_a, transpose_b, blas_int(c.rows), blas_int(c.cols),
              blas_int(k), 1.0F, a.as<float>(), blas_int(a.stride), b.as<float>(),
              blas_int(b.stride), beta, c.as<float>(), blas_int(c.stride));
}

}  // namespace

void CpuOps::linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                            ConstMatrixView addend, MatrixView y) {
  check_matrix(x, x.rows, x.cols, "linear_forward", "x");
  check_matrix(w, w.rows, x.cols, "linear_forward", "w");
  check_matrix(y, x.rows, w.rows, "linear_forward", "y");
  const bool adds = addend.data != nullptr;
  if (adds) check_matrix(addend, y.rows, y.cols, "linear_forward", "addend");
  if (bias != nullptr || adds) {
    // The product is added to what is there already.
    const void* const first = adds ? nullptr : bias;
    parallel_rows(threads_, y.rows, y.cols, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        float* const out = row_of(y, row);
        std::memcpy(out, adds ? row_of(addend, row) : first,
                    static_cast<std::size_t>(y.cols) * sizeof(float));
        if (adds && bias != nullptr) kernels_.add(static_cast<const float*>(bias), out, y.cols);
      }
    });
  }
  gemm(CblasNoTrans, CblasTrans, x.cols, x, w, bias == nullptr && !adds ? 0.0F : 1.0F, y);
}

void CpuOps::linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                                   AccumulateMode write) {
  check_matrix(w, w.rows, w.cols, "linear_backward_input", "w");
  check_matrix(dy, dy.rows, w.rows, "linear_backward_input", "dy");
  check_matrix(dx, dy.rows, w.cols, "linear_backward_input", "dx");
  gemm(CblasNoTrans, CblasNoTrans, w.rows, dy, w, write == AccumulateMode::accumulate ? 1.0F : 0.0F,
       dx);
}

void CpuOps::linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                                    AccumulateMode write) {
  check_matrix(dy, dy.rows, dy.cols, "linear_backward_weight", "dy");
  check_matrix(x, dy.rows, x.cols, "linear_backward_weight", "x");
  check_matrix(dw, dy.cols, x.cols, "linear_backward_weight", "dw");
  // With no rows the product is zero, which BLAS need not write.
  if (dy.rows == 0 && write == AccumulateMode::overwrite) {
    for (std::int64_t row = 0; row < dw.rows; ++row) std::fill_n(row_of(dw, row), dw.cols, 0.0F);
  }
  if (dy.rows == 0) return;
  gemm(CblasTrans, CblasNoTrans, dy.rows, dy, x, write == AccumulateMode::accumulate ? 1.0F : 0.0F,
       dw);
}

void CpuOps::bias_backward(ConstMatrixView dy, float* dbias) {
  check_matrix(dy, dy.rows, dy.cols, "bias_backward", "dy");
  // Threads share the columns, so that the sum over the rows has one order.
  parallel_rows(threads_, dy.cols, dy.rows, [&](std::int64_t begin, std::int64_t end) {
    kernels_.column_sums(dy.as<float>() + begin, dy.stride, dy.rows, end - begin, dbias + begin);
  });
}

}  // namespace longhaul::cpu
