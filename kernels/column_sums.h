#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "core/tensor/matrix.h"

namespace longhaul::kernels {

/// Bytes of scratch of bias_backward for N = cols, any number of rows.
[[nodiscard]] std::size_t bias_backward_scratch_bytes(std::int64_t cols);

/// dy [T, N] bf16 -> dbias [N] fp32, accumulated. Summed in fp32 in a fixed order: blocks sum parts
/// of the rows into scratch (16-byte aligned), then those are added up. Reads 2 bytes an element;
/// 16 bytes an access where N, the stride and the address allow, one element otherwise.
void bias_backward(ConstMatrixView dy, float* dbias, void* scratch, std::size_t scratch_bytes,
                   cudaStream_t stream);

/// partial [rows, cols] fp32 -> out [cols] fp32, accumulated: the second half of the reductions
/// over rows, made for a few hundred rows. The order is fixed. Reads 4 bytes an element.
void add_partial_rows(const float* partial, std::int64_t rows, std::int64_t cols, float* out,
                      cudaStream_t stream);

}  // namespace longhaul::kernels
