#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "core/tensor/matrix.h"
#include "core/tensor/rope_table.h"

namespace longhaul::kernels {

// RMSNorm of each head and rotary position embedding in one pass, for q or for k. Computed in fp32
// and rounded once (after both). 16 bytes an access where D <= 512 is a multiple of 16 and the
// views and the table are aligned; other views are read twice, one element an access. The weight
// may lie anywhere. positions [T] int32 are below table.max_position.

/// x [T, heads * D] bf16, weight [D] bf16 -> y [T, heads * D] bf16, overwritten, not x;
/// inv_rms [T, heads] fp32, overwritten. Moves 4 bytes an element, 4 D bytes of the table a row and
/// 4 bytes a head.
void head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight, float epsilon,
                            const std::int32_t* positions, const RopeTable& table, MatrixView y,
                            float* inv_rms, cudaStream_t stream);

/// Bytes of scratch of head_norm_rope_backward, any number of rows and heads.
[[nodiscard]] std::size_t head_norm_rope_backward_scratch_bytes(std::int64_t head_dim);

/// dy [T, heads * D] bf16, overwritten with dx; x [T, heads * D] bf16, weight [D] bf16,
/// inv_rms [T, heads] fp32; dweight [D] fp32, accumulated in a fixed order: each block leaves its
/// heads' sum in scratch (16-byte aligned), then those are added up. Moves 6 bytes an element, 4 D
/// bytes of the table a row and 4 bytes a head.
void head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads, const void* weight,
                             const float* inv_rms, const std::int32_t* positions,
                             const RopeTable& table, float* dweight, void* scratch,
                             std::size_t scratch_bytes, cudaStream_t stream);

}  // namespace longhaul::kernels
