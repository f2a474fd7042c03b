#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace longhaul::kernels {

/// Bytes of scratch that weighted_sum() needs, whatever the number of rows: 8 KB.
std::size_t weighted_sum_scratch_bytes();

/// nll, weights [rows] fp32 -> result [1] fp64, device memory, accumulated: += sum(weights * nll),
/// each product exact in fp64. Any alignment (16 bytes at a time when both are aligned alike);
/// deterministic. scratch: aligned to 16, overwritten. Moves 8 bytes a row.
void weighted_sum(const float* nll, const float* weights, std::int64_t rows, double* result,
                  void* scratch, std::size_t scratch_bytes, cudaStream_t stream);

}  // namespace longhaul::kernels
