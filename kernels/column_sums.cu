#include <cuda_bf16.h>

#include <algorithm>

#include "core/cuda_check.h"
#include "kernels/column_sums.h"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/reduce.cuh"
#include "kernels/support/unit.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {
namespace {

using bf16 = __nv_bfloat16;

constexpr int kRowLanes = 8;                   // rows that a block reads side by side
constexpr int kSteps = 8;                      // loads in flight a thread
constexpr int kPartRows = kRowLanes * kSteps;  // parts of the rows are multiples of this
constexpr std::int64_t kBlocks = 4 * kMultiprocessors;

/// Columns of a block: a warp's width.
__host__ __device__ constexpr std::int64_t tile_cols(int width) { return kWarpSize * width; }

/// Into how many parts the rows are cut so that there are enough blocks.
std::int64_t row_parts(std::int64_t cols, int width) {
  return std::max<std::int64_t>(1, kBlocks / ceil_div(cols, tile_cols(width)));
}

/// Block (x, y) sums rows [y * part_rows, ...) of its columns into partial [gridDim.y, cols].
template <int kWidth>
__global__ void __launch_bounds__(kWarpSize* kRowLanes)
    sum_rows_kernel(const bf16* dy, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                    std::int64_t part_rows, float* partial) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int row_lane = static_cast<int>(threadIdx.x) / kWarpSize;
  const std::int64_t tile = static_cast<std::int64_t>(blockIdx.x) * tile_cols(kWidth);
  const std::int64_t col = tile + lane * kWidth;
  const std::int64_t begin = blockIdx.y * part_rows;
  const std::int64_t end = min(rows, begin + part_rows);

  float sums[kWidth] = {};
  const auto add = [&](const Unit<bf16, kWidth>& unit) {
    float values[kWidth];
    unpack(unit, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += values[i];
  };
  if (col < cols) {
    const bf16* const from = dy + col;
    std::int64_t row = begin + row_lane;
    for (; row + (kSteps - 1) * kRowLanes < end; row += kSteps * kRowLanes) {
      Unit<bf16, kWidth> units[kSteps];
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        units[step] = load_unit_streaming<kWidth>(from + (row + step * kRowLanes) * stride);
      }
#pragma unroll
      for (int step = 0; step < kSteps; ++step) add(units[step]);
    }
    for (; row < end; row += kRowLanes) add(load_unit_streaming<kWidth>(from + row * stride));
  }

  __shared__ float lane_sums[kRowLanes][kWidth][kWarpSize];
#pragma unroll
  for (int i = 0; i < kWidth; ++i) lane_sums[row_lane][i][lane] = sums[i];
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < tile_cols(kWidth); i += kWarpSize * kRowLanes) {
    if (tile + i >= cols) break;
    float sum = 0.0F;
#pragma unroll
    for (int r = 0; r < kRowLanes; ++r) sum += lane_sums[r][i % kWidth][i / kWidth];
    partial[blockIdx.y * cols + tile + i] = sum;
  }
}

template <int kWidth>
void launch_sum_rows(const ConstMatrixView& dy, float* partial, float* dbias, cudaStream_t stream) {
  const std::int64_t part_rows = round_up(ceil_div(dy.rows, row_parts(dy.cols, kWidth)), kPartRows);
  const std::int64_t parts = ceil_div(dy.rows, part_rows);
  const dim3 grid(static_cast<unsigned>(ceil_div(dy.cols, tile_cols(kWidth))),
                  static_cast<unsigned>(parts));
  sum_rows_kernel<kWidth><<<grid, kWarpSize * kRowLanes, 0, stream>>>(
      dy.as<bf16>(), dy.rows, dy.cols, dy.stride, part_rows, partial);
  LONGHAUL_CUDA_CHECK_LAUNCH("bias_backward");
  add_partial_rows(partial, parts, dy.cols, dbias, stream);
}

/// A block of 32 x 32 threads for 32 columns.
__global__ void __launch_bounds__(kWarpSize* kWarpSize)
    add_partial_rows_kernel(const float* __restrict__ partial, std::int64_t rows, std::int64_t cols,
                            float* out) {
  __shared__ float sums[kWarpSize][kWarpSize + 1];
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const std::int64_t first_col = static_cast<std::int64_t>(blockIdx.x) * kWarpSize;
  const std::int64_t col = first_col + lane;
  float sum = 0.0F;
  if (col < cols) {
#pragma unroll 8
    for (std::int64_t row = warp; row < rows; row += kWarpSize) sum += partial[row * cols + col];
  }
  sums[warp][lane] = sum;
  __syncthreads();
  // Each warp takes a column: its lanes hold what the 32 warps summed of it.
  const float total = warp_sum(sums[lane][warp]);
  if (lane == 0 && first_col + warp < cols) out[first_col + warp] += total;
}

}  // namespace

std::size_t bias_backward_scratch_bytes(std::int64_t cols) {
  if (cols == 0) return 0;
  return static_cast<std::size_t>(row_parts(cols, 8) * cols) * sizeof(float);
}

void bias_backward(ConstMatrixView dy, float* dbias, void* scratch, std::size_t scratch_bytes,
                   cudaStream_t stream) {
  check_view(dy, DType::bf16, dy.rows, dy.cols, "bias_backward", "dy");
  if (dy.size() == 0) return;
  check_scratch(scratch, scratch_bytes, bias_backward_scratch_bytes(dy.cols), "bias_backward");
  auto* const partial = static_cast<float*>(scratch);
  if (dy.cols % 8 == 0 && is_aligned(dy, 8)) {
    launch_sum_rows<8>(dy, partial, dbias, stream);
  } else {
    launch_sum_rows<1>(dy, partial, dbias, stream);
  }
}

void add_partial_rows(const float* partial, std::int64_t rows, std::int64_t cols, float* out,
                      cudaStream_t stream) {
  if (cols == 0) return;
  add_partial_rows_kernel<<<static_cast<unsigned>(ceil_div(cols, kWarpSize)), kWarpSize * kWarpSize,
                            0, stream>>>(partial, rows, cols, out);
  LONGHAUL_CUDA_CHECK_LAUNCH("add_partial_rows");
}

}  // namespace longhaul::kernels
