#include <algorithm>

#include "core/cuda_check.h"
#include "core/rounding.h"
#include "kernels/attention/attention_rows.h"
#include "kernels/support/vector_io.cuh"

namespace longhaul::kernels {
namespace {

constexpr int kThreads = 256;

// ---- log-sum-exp
// One thread a row, all heads: the by-head side is read or written 128 bytes a warp, and the lines
// of the by-row side that a warp opens with the first head serve the following ones from L1.

__global__ void __launch_bounds__(kThreads)
    lse_to_heads_kernel(const float* __restrict__ by_row, std::int64_t rows, int heads,
                        float* __restrict__ by_head, std::int64_t by_head_stride) {
  const std::int64_t row = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  for (int h = 0; h < heads; ++h) by_head[h * by_head_stride + row] = by_row[row * heads + h];
}

__global__ void __launch_bounds__(kThreads)
    lse_to_rows_kernel(const float* __restrict__ by_head, std::int64_t by_head_stride,
                       std::int64_t rows, int heads, float* __restrict__ by_row) {
  const std::int64_t row = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  for (int h = 0; h < heads; ++h) by_row[row * heads + h] = by_head[h * by_head_stride + row];
}

// ---- moving rows

struct MovedPair {
  MovedRows first;
  MovedRows second;
};

template <RowsOp kOp>
struct Destination {
  using Type = __nv_bfloat16;
};
template <>
struct Destination<RowsOp::add_f32> {
  using Type = float;
};

/// kWidth consecutive elements: one, or eight at a multiple of 16 bytes.
template <typename T, int kWidth>
struct Unit {
  T values[kWidth];

  __device__ __forceinline__ void load(const T* address) {
    if constexpr (kWidth == 1) {
      values[0] = *address;
    } else {
#pragma unroll
      for (int i = 0; i < kWidth; i += Pack<T>::kSize) {
        const Pack<T> pack = load_pack_streaming(address + i);
#pragma unroll
        for (int j = 0; j < Pack<T>::kSize; ++j) values[i + j] = pack.values[j];
      }
    }
  }
  __device__ __forceinline__ void store(T* address) const {
    if constexpr (kWidth == 1) {
      *address = values[0];
    } else {
#pragma unroll
      for (int i = 0; i < kWidth; i += Pack<T>::kSize) {
        Pack<T> pack;
#pragma unroll
        for (int j = 0; j < Pack<T>::kSize; ++j) pack.values[j] = values[i + j];
        store_pack(address + i, pack);
      }
    }
  }
};

constexpr std::uint32_t kUnits = 4;  // of each thread

/// blockIdx.y: the matrix. A unit is kWidth elements of a row; neighbouring threads take
/// neighbouring units. units < 2^31.
template <RowsOp kOp, int kWidth>
__global__ void __launch_bounds__(kThreads)
    move_rows_kernel(const MovedPair pair, std::uint32_t units, std::uint32_t units_per_row) {
  using T = typename Destination<kOp>::Type;
  const MovedRows m = blockIdx.y == 0 ? pair.first : pair.second;
  const std::uint32_t begin = blockIdx.x * (kThreads * kUnits) + threadIdx.x;
  // All loads before the first store: the compiler cannot know that the two matrices are distinct.
  T* to[kUnits];
  Unit<__nv_bfloat16, kWidth> moved[kUnits];
  Unit<T, kWidth> result[kUnits];
#pragma unroll
  for (std::uint32_t i = 0; i < kUnits; ++i) {
    const std::uint32_t unit = begin + i * kThreads;
    if (unit >= units) continue;
    const std::uint32_t row = unit / units_per_row;
    const std::uint32_t col = (unit - row * units_per_row) * kWidth;
    to[i] = static_cast<T*>(m.to) + row * m.to_stride + col;
    moved[i].load(m.from + row * m.from_stride + col);
    if constexpr (kOp != RowsOp::copy_bf16) result[i].load(to[i]);
  }
#pragma unroll
  for (std::uint32_t i = 0; i < kUnits; ++i) {
    if (begin + i * kThreads >= units) continue;
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      if constexpr (kOp == RowsOp::copy_bf16) {
        result[i].values[j] = moved[i].values[j];
      } else {
        result[i].values[j] =
            from_float<T>(to_float(result[i].values[j]) + to_float(moved[i].values[j]));
      }
    }
    result[i].store(to[i]);
  }
}

template <RowsOp kOp>
MovedRows rows_from(const MovedRows& m, std::int64_t row) {
  using T = typename Destination<kOp>::Type;
  if (m.from == nullptr) return m;
  return {m.from + row * m.from_stride, m.from_stride, static_cast<T*>(m.to) + row * m.to_stride,
          m.to_stride};
}

template <RowsOp kOp>
bool is_packed(const MovedRows& m) {
  return is_pack_aligned(m.from, m.from_stride, sizeof(__nv_bfloat16)) &&
         is_pack_aligned(m.to, m.to_stride, sizeof(typename Destination<kOp>::Type));
}

template <RowsOp kOp>
void launch(const MovedPair& pair, int matrices, std::int64_t rows, std::int64_t cols,
            cudaStream_t stream) {
  const bool packed = cols % PackBf16::kSize == 0 && is_packed<kOp>(pair.first) &&
                      (matrices == 1 || is_packed<kOp>(pair.second));
  const std::int64_t units_per_row = packed ? cols / PackBf16::kSize : cols;
  // 32-bit arithmetic on the device: a division of 64 bits a unit would cost more than its bytes.
  const std::int64_t rows_a_launch =
      std::max<std::int64_t>(1, (std::int64_t{1} << 30) / units_per_row);
  for (std::int64_t row = 0; row < rows; row += rows_a_launch) {
    const MovedPair slice{rows_from<kOp>(pair.first, row), rows_from<kOp>(pair.second, row)};
    const auto units =
        static_cast<std::uint32_t>(std::min(rows_a_launch, rows - row) * units_per_row);
    const dim3 grid(ceil_div(units, kThreads * kUnits), static_cast<unsigned>(matrices));
    const auto per_row = static_cast<std::uint32_t>(units_per_row);
    if (packed) {
      move_rows_kernel<kOp, PackBf16::kSize><<<grid, kThreads, 0, stream>>>(slice, units, per_row);
    } else {
      move_rows_kernel<kOp, 1><<<grid, kThreads, 0, stream>>>(slice, units, per_row);
    }
    LONGHAUL_CUDA_CHECK_LAUNCH("move_rows");
  }
}

void launch(const MovedPair& pair, int matrices, std::int64_t rows, std::int64_t cols, RowsOp op,
            cudaStream_t stream) {
  if (rows == 0 || cols == 0) return;
  switch (op) {
    case RowsOp::copy_bf16:
      return launch<RowsOp::copy_bf16>(pair, matrices, rows, cols, stream);
    case RowsOp::add_bf16:
      return launch<RowsOp::add_bf16>(pair, matrices, rows, cols, stream);
    case RowsOp::add_f32:
      return launch<RowsOp::add_f32>(pair, matrices, rows, cols, stream);
  }
}

unsigned row_blocks(std::int64_t rows) { return static_cast<unsigned>(ceil_div(rows, kThreads)); }

}  // namespace

void lse_to_heads(const float* by_row, std::int64_t rows, int heads, float* by_head,
                  std::int64_t by_head_stride, cudaStream_t stream) {
  if (rows == 0) return;
  lse_to_heads_kernel<<<row_blocks(rows), kThreads, 0, stream>>>(by_row, rows, heads, by_head,
                                                                 by_head_stride);
  LONGHAUL_CUDA_CHECK_LAUNCH("lse_to_heads");
}

void lse_to_rows(const float* by_head, std::int64_t by_head_stride, std::int64_t rows, int heads,
                 float* by_row, cudaStream_t stream) {
  if (rows == 0) return;
  lse_to_rows_kernel<<<row_blocks(rows), kThreads, 0, stream>>>(by_head, by_head_stride, rows,
                                                                heads, by_row);
  LONGHAUL_CUDA_CHECK_LAUNCH("lse_to_rows");
}

void move_rows(const MovedRows& matrix, std::int64_t rows, std::int64_t cols, RowsOp op,
               cudaStream_t stream) {
  launch({matrix, {}}, 1, rows, cols, op, stream);
}

void move_rows(const MovedRows& first, const MovedRows& second, std::int64_t rows,
               std::int64_t cols, RowsOp op, cudaStream_t stream) {
  launch({first, second}, 2, rows, cols, op, stream);
}

}  // namespace longhaul::kernels
