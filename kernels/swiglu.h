#pragma once

#include <cuda_runtime_api.h>

#include "core/tensor/matrix.h"

namespace longhaul::kernels {

// SwiGLU: act = silu(gate) * up, silu(g) = g / (1 + exp(-g)). All bf16, computed in fp32 and
// rounded once. 16 bytes an access where F and the strides are multiples of 8 and the data is
// aligned, one element otherwise.

/// gate_up [T, 2F] bf16, gate first -> act [T, F] bf16, overwritten.
/// Moves 6 bytes an element of act.
void swiglu_forward(ConstMatrixView gate_up, MatrixView act, cudaStream_t stream);

/// dact [T, F] bf16, overwritten with act; gate_up [T, 2F] bf16 -> dgate_up [T, 2F] bf16,
/// overwritten, may be gate_up. Moves 12 bytes an element of dact.
void swiglu_backward(MatrixView dact, ConstMatrixView gate_up, MatrixView dgate_up,
                     cudaStream_t stream);

}  // namespace longhaul::kernels
