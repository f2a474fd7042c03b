// The products: Gemm checks their operands.
#include "compute/cuda/cuda_ops.h"

namespace longhaul::cuda {

void CudaOps::linear_forward(ConstMatrixView x, ConstMatrixView w, const void* bias,
                             ConstMatrixView addend, MatrixView y) {
  gemm_.forward(x, w, bias, addend, y, stream_);
}

void CudaOps::linear_backward_input(ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                                    AccumulateMode write) {
  gemm_.backward_input(dy, w, dx, write, stream_);
}

void CudaOps::linear_backward_weight(ConstMatrixView dy, ConstMatrixView x, MatrixView dw,
                                     AccumulateMode write) {
  gemm_.backward_weight(dy, x, dw, write, stream_);
}

}  // namespace longhaul::cuda
