#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "core/tensor/accumulate_mode.h"
#include "core/tensor/matrix.h"

namespace longhaul::kernels {

// RMSNorm of each of `groups` groups of D columns: y = weight * x * inv_rms,
// inv_rms = 1 / sqrt(mean(x^2) + epsilon). Computed in fp32 and rounded once. One pass over memory,
// 16 bytes an access, where D <= 10240 is a multiple of 8 and the views are aligned; any other
// views are read twice, one element an access. The weight may lie anywhere.

/// x [T, groups * D] bf16, weight [D] bf16 -> y [T, groups * D] bf16, overwritten, may be x;
/// inv_rms [T, groups] fp32, overwritten. Moves 4 bytes an element.
void rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                      MatrixView y, float* inv_rms, cudaStream_t stream);

/// Bytes of scratch of rms_norm_backward for groups of this many columns, any number of rows.
[[nodiscard]] std::size_t rms_norm_backward_scratch_bytes(std::int64_t width);

/// dy, x [T, groups * D] bf16, weight [D] bf16, inv_rms [T, groups] fp32 -> dx [T, groups * D]
/// bf16, overwritten (may be dy) or accumulated; dweight [D] fp32, accumulated in a fixed order:
/// each block leaves its rows' sum in scratch (16-byte aligned), then those are added up. Moves 6
/// bytes an element, 8 when accumulating.
void rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups, const void* weight,
                       const float* inv_rms, MatrixView dx, AccumulateMode write, float* dweight,
                       void* scratch, std::size_t scratch_bytes, cudaStream_t stream);

}  // namespace longhaul::kernels
