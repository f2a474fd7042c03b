#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>

#include "core/tensor/matrix.h"

namespace longhaul::kernels {

// Moving whole rows of bf16 or fp32 matrices. Words of 16 bytes where all addresses, strides and
// row lengths are multiples of 16, of 4 or 2 otherwise. Deterministic; no scratch.

/// src [T, H], rows [R] int32 in 0 .. T - 1 (not checked) -> dst [R, H] of the same type,
/// overwritten. Moves 2 * size_of(dtype) bytes an element of dst.
void gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst,
                 cudaStream_t stream);

/// src [R, H] -> rows of dst [T, H] of the same type, overwritten; other rows are left alone.
/// rows [R] int32, distinct and in 0 .. T - 1 (not checked). Moves 2 * size_of(dtype) bytes an
/// element of src.
void scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst,
                  cudaStream_t stream);

/// src [chunks * chunk_rows, C] -> dst of the same shape and type, overwritten, another buffer;
/// both contiguous: dst chunk order[i] = src chunk i. `order` [chunks] is host memory, a
/// permutation, and may go away after the call. Moves 2 * size_of(dtype) bytes an element.
/// Example: order {0, 3, 1, 2} puts src chunk 1 last.
void reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order, MatrixView dst,
                    cudaStream_t stream);

}  // namespace longhaul::kernels
