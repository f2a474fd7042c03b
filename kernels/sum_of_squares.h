#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace longhaul::kernels {

/// Bytes of scratch that sum_of_squares() needs, whatever the count: 8 KB.
std::size_t sum_of_squares_scratch_bytes();

/// x [count] fp32 -> result [1] fp64, device memory, accumulated: += the sum of the squares, each
/// exact in fp64. Any count and alignment; deterministic. scratch: aligned to 16, overwritten.
/// Moves 4 bytes an element.
void sum_of_squares(const float* x, std::int64_t count, double* result, void* scratch,
                    std::size_t scratch_bytes, cudaStream_t stream);

}  // namespace longhaul::kernels
