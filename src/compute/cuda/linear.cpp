#include "compute/cuda/cuda_ops.h"
#include "kernels/support/view_checks.cuh"

namespace longhaul::cuda {

using kernels::check_view;
void CudaOps::linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                             ConstMatrixView addend, MatrixView y) {
  check_view(x, DType::bf16, x.rows, x.cols, "linear_forward", "x");
  check_view(w, DType::bf16, w.rows, x.cols, "linear_forward", "w");
  check_view(y, DType::bf16, x.rows, w.rows, "linear_forward", "y");
  if (addend.data != nullptr) {
    check_view(addend, DType::bf16, y.rows, y.cols, "linear_forward", "addend");
  }
  gemm_.forward(x, w, bias, addend, y, stream_);
}

void CudaOps::linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                                    AccumulateMode write) {
  check_view(w, DType::bf16, w.rows, w.cols, "linear_backward_input", "w");
  check_view(dy, DType::bf16, dy.rows, w.rows, "linear_backward_input", "dy");
  check_view(dx, DType::bf16, dy.rows, w.cols, "linear_backward_input", "dx");
  gemm_.backward_input(dy, w, dx, write, stream_);
}

void CudaOps::linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                                     AccumulateMode write) {
  check_view(dy, DType::bf16, dy.rows, dy.cols, "linear_backward_weight", "dy");
  check_view(x, DType::bf16, dy.rows, x.cols, "linear_backward_weight", "x");
  check_view(dw, DType::f32, dy.cols, x.cols, "linear_backward_weight", "dw");
  gemm_.backward_weight(dy, x, dw, write, stream_);
}

}  // namespace longhaul::cuda
