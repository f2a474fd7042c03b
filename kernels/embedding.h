#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "core/tensor/matrix.h"

namespace longhaul::kernels {

// Rows vocab_begin .. vocab_begin + V - 1 of a table that is split over ranks by rows.

/// ids [T] int32, table [V, H] bf16 -> out [T, H] bf16, overwritten; rows whose id is not in the
/// table become zero. Words of 16 bytes where all addresses, strides and row lengths are multiples
/// of 16, of 4 or 2 otherwise. Moves 2 bytes an element of out, and 2 more in rows that are in the
/// table.
void embedding_forward(const std::int32_t* ids, ConstMatrixView table, std::int64_t vocab_begin,
                       MatrixView out, cudaStream_t stream);

/// Bytes of scratch that embedding_backward() needs for `tokens` rows: 17 a token and less than
/// 4 KB, whatever V and H.
std::size_t embedding_backward_scratch_bytes(std::int64_t tokens);

/// ids [T] int32, dout [T, H] bf16 -> dtable [V, H] fp32, accumulated: row after row in the order
/// of the stream, each added in fp32, so the bits are those of a plain loop. Ids that are not in
/// the table are ignored. T * (H / 32 + 2) < 2^30. Fast when rows of both are aligned to 16 bytes
/// and H is a multiple of 8; right in any case. scratch: aligned to 16, overwritten. Moves 2 bytes
/// an element of dout whose id is in the table, and 8 an element of each row of dtable that is met.
void embedding_backward(const std::int32_t* ids, ConstMatrixView dout, std::int64_t vocab_begin,
                        MatrixView dtable, void* scratch, std::size_t scratch_bytes,
                        cudaStream_t stream);

}  // namespace longhaul::kernels
