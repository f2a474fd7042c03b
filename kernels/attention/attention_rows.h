#pragma once

// What surrounds cuDNN's attention: the log-sum-exp turned between the order of the rest of the
// program and cuDNN's, and gradients moved from BF16 temporaries to where they belong. All
// deterministic.

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

namespace longhaul::kernels {

/// by_row [rows, heads] fp32, contiguous -> by_head [heads, rows] fp32, overwritten; the rows of
/// by_head are by_head_stride elements apart.
void lse_to_heads(const float* by_row, std::int64_t rows, int heads, float* by_head,
                  std::int64_t by_head_stride, cudaStream_t stream);

/// The way back: by_row [rows, heads] is overwritten.
void lse_to_rows(const float* by_head, std::int64_t by_head_stride, std::int64_t rows, int heads,
                 float* by_row, cudaStream_t stream);

enum class RowsOp : std::uint8_t {
  copy_bf16,  // to = from, both BF16
  add_bf16,   // to += from, both BF16, added in fp32
  add_f32     // to += from, fp32 += BF16
};

/// One matrix on its way.
struct MovedRows {
  const __nv_bfloat16* from = nullptr;  // [rows, cols], rows from_stride apart
  std::int64_t from_stride = 0;
  void* to = nullptr;  // [rows, cols] of the op's type, rows to_stride apart; copied or added to
  std::int64_t to_stride = 0;
};

/// Applies op to every element of one matrix.
void move_rows(const MovedRows& matrix, std::int64_t rows, std::int64_t cols, RowsOp op,
               cudaStream_t stream);
/// The same for two of one size in one launch.
void move_rows(const MovedRows& first, const MovedRows& second, std::int64_t rows,
               std::int64_t cols, RowsOp op, cudaStream_t stream);

}  // namespace longhaul::kernels
