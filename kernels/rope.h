#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "core/tensor/matrix.h"
#include "core/tensor/rope_table.h"

namespace longhaul::kernels {

/// Rotary position embedding, rotate-half form: x [T, heads * D] bf16, overwritten;
/// positions [T] int32, below table.max_position; backward turns the other way. Computed in fp32
/// and rounded once. 16 bytes an access where D <= 512 is a multiple of 16 and x and the table are
/// aligned, one element otherwise. Moves 4 bytes an element, and 4 D bytes of the table a row.
void rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
          RopeDirection direction, cudaStream_t stream);

}  // namespace longhaul::kernels
