#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "core/tensor/matrix.h"

namespace longhaul::kernels {

// Elementwise ops on fp32 and bf16 matrices of any strides. 16 bytes an access where the rows are
// aligned to that (to 8 for the bf16 side of a conversion), one element otherwise. Views without
// gaps between their rows are treated as one long row.

/// x [R, C], y [R, C] of the same type, accumulated: y += x, in fp32 and rounded once. y may be x.
/// Moves 6 bytes an element of bf16, 12 of fp32.
void add(ConstMatrixView x, MatrixView y, cudaStream_t stream);

/// src [R, C] -> dst [R, C] overwritten, of either type, rounded to nearest; a copy when the types
/// are equal, nothing when the views are too. Moves size_of(src.dtype) + size_of(dst.dtype) bytes
/// an element.
void convert(ConstMatrixView src, MatrixView dst, cudaStream_t stream);

/// src [count] fp32, dst [count] fp32, accumulated. Moves 12 bytes an element.
void accumulate(const float* src, float* dst, std::int64_t count, cudaStream_t stream);

}  // namespace longhaul::kernels
