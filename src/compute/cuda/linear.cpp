#include "compute/cuda/cuda_backend.h"

namespace longhaul::cuda {
namespace {

/// Fails unless m is a [rows, cols] matrix of this type with a sensible stride.
void check_matrix(const ConstMatrixView& m, DType dtype, std::int64_t rows, std::int64_t cols,
                  const char* op, const char* name) {
  LONGHAUL_CHECK(m.dtype == dtype, "{}: {} is {}, expected {}", op, name, name_of(m.dtype),
                 name_of(dtype));
  LONGHAUL_CHECK(m.rows == rows && m.cols == cols, "{}: {} is [{}, {}], expected [{}, {}]", op,
                 name, m.rows, m.cols, rows, cols);
  LONGHAUL_CHECK(m.stride >= m.cols, "{}: {} has stride {} for {} columns", op, name, m.stride,
                 m.cols);
}

}  // namespace

void CudaBackend::linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                                 ConstMatrixView addend, MatrixView y) {
  check_matrix(x, DType::bf16, x.rows, x.cols, "linear_forward", "x");
  check_matrix(w, DType::bf16, w.rows, x.cols, "linear_forward", "w");
  check_matrix(y, DType::bf16, x.rows, w.rows, "linear_forward", "y");
  if (addend.data != nullptr) {
    check_matrix(addend, DType::bf16, y.rows, y.cols, "linear_forward", "addend");
  }
  gemm_.forward(x, w, bias, addend, y, stream_.get());
}

void CudaBackend::linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                                        Write write) {
  check_matrix(w, DType::bf16, w.rows, w.cols, "linear_backward_input", "w");
  check_matrix(dy, DType::bf16, dy.rows, w.rows, "linear_backward_input", "dy");
  check_matrix(dx, DType::bf16, dy.rows, w.cols, "linear_backward_input", "dx");
  gemm_.backward_input(dy, w, dx, write, stream_.get());
}

void CudaBackend::linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                                         Write write) {
  check_matrix(dy, DType::bf16, dy.rows, dy.cols, "linear_backward_weight", "dy");
  check_matrix(x, DType::bf16, dy.rows, x.cols, "linear_backward_weight", "x");
  check_matrix(dw, DType::f32, dy.cols, x.cols, "linear_backward_weight", "dw");
  gemm_.backward_weight(dy, x, dw, write, stream_.get());
}

}  // namespace longhaul::cuda
