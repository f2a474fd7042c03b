#pragma once

// Tiles of BF16 rows in shared memory and the products that warps form of them.
//
// A row has kDim elements, in chunks of 8 (16 bytes); chunk c of row r lies where chunk c ^ (r % 8)
// would lie without swizzling, so that the eight rows of one chunk that ldmatrix reads together are
// in different banks.

#include <cmath>
#include <cstdint>

#include "kernels/attention/flash_attention_mma.cuh"
#include "kernels/attention/flash_attention_plan.h"

namespace longhaul::kernels::flash {

inline constexpr float kLog2E = 1.4426950408889634F;
inline constexpr int kLanes = 32;

enum class FloatWrite : std::uint8_t { set, add };

__host__ __device__ constexpr std::uint32_t row_bytes(int dim) {
  return 2 * static_cast<std::uint32_t>(dim);
}

template <int kDim>
__host__ __device__ constexpr std::uint32_t tile_offset(int row, int chunk) {
  return static_cast<std::uint32_t>(row) * row_bytes(kDim) +
         (static_cast<std::uint32_t>(chunk ^ (row & 7)) << 4U);
}

/// This lane's address offset for load_matrices, to get the fragment a of the tile's first 16 rows
/// and columns, or (transposed) b of two neighbouring 8-column matrices whose rows are the tile's.
/// Columns 16 x later are at offset ^ (32 x), rows 16 x later at offset + 16 x row_bytes.
template <int kDim>
__host__ __device__ constexpr std::uint32_t lane_offset_rows(int lane) {
  return tile_offset<kDim>(lane & 15, lane >> 4);
}
/// The same to get b of two neighbouring 8-column matrices whose columns are the tile's rows.
template <int kDim>
__host__ __device__ constexpr std::uint32_t lane_offset_cols(int lane) {
  return tile_offset<kDim>((lane & 7) + ((lane >> 4) << 3), (lane >> 3) & 1);
}

/// Eight elements from `from`, those from `count` on as zero.
__device__ __forceinline__ void gather_chunk(std::uint32_t (&chunk)[4], const __nv_bfloat16* from,
                                             int count) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float low = 2 * i < count ? __bfloat162float(from[2 * i]) : 0.0F;
    const float high = 2 * i + 1 < count ? __bfloat162float(from[2 * i + 1]) : 0.0F;
    chunk[i] = pack_bf16(low, high);
  }
}

/// Starts to fill a tile with kRows rows: from [valid_rows, head_dim] with this stride, and zeros
/// around it. valid_rows and head_dim are at least 1. `thread`: 0 .. kThreads - 1.
template <int kDim, int kRows, int kThreads, Access kAccess>
__device__ __forceinline__ void load_tile(std::uint32_t tile, const __nv_bfloat16* from,
                                          std::int64_t stride, int valid_rows, int head_dim,
                                          int thread) {
  constexpr int kChunks = kDim / 8;
  constexpr int kStep = kThreads / kChunks;  // rows that all threads fill at once
  static_assert(kThreads % kChunks == 0 && kRows % kStep == 0);
  const int chunk = thread % kChunks;
  const int first = thread / kChunks;
  const int cols = head_dim - 8 * chunk;
  const __nv_bfloat16* source = from + first * stride + 8 * chunk;
#pragma unroll
  for (int i = 0; i < kRows / kStep; ++i, source += kStep * stride) {
    const int row = first + i * kStep;
    const bool inside = row < valid_rows && cols > 0;
    const std::uint32_t to = tile + tile_offset<kDim>(row, chunk);
    if constexpr (kAccess == Access::packs) {
      copy_16(to, source, inside ? Copy::data : Copy::zeros);
    } else {
      std::uint32_t values[4];
      gather_chunk(values, source, inside ? cols : 0);
      store_shared(to, values);
    }
  }
}

template <int kM, int kN>
__device__ __forceinline__ void set_zero(float (&c)[kM][kN][4]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) c[m][n][i] = 0.0F;
    }
  }
}

/// c [16 kM, 8 kN] += a b^T over kDim columns; a and b are this lane's addresses in the two tiles
/// (lane_offset_rows and lane_offset_cols).
template <int kDim, int kM, int kN>
__device__ __forceinline__ void multiply_rows(float (&c)[kM][kN][4], std::uint32_t a,
                                              std::uint32_t b) {
  static_assert(kN % 2 == 0);
#pragma unroll
  for (int k = 0; k < kDim / 16; ++k) {
    std::uint32_t a_part[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m)
      load_matrices(a_part[m], (a ^ (32U * k)) + 16 * m * row_bytes(kDim));
#pragma unroll
    for (int n = 0; n < kN; n += 2) {
      std::uint32_t b_part[4];
      load_matrices(b_part, (b ^ (32U * k)) + 8 * n * row_bytes(kDim));
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        multiply_add(c[m][n], a_part[m], b_part[0], b_part[1]);
        multiply_add(c[m][n + 1], a_part[m], b_part[2], b_part[3]);
      }
    }
  }
}

/// c [16 kM, kDim] += a [16 kM, 16] times 16 rows of a tile; b is this lane's address at the first
/// of them (lane_offset_rows).
template <int kDim, int kM>
__device__ __forceinline__ void multiply_cols(float (&c)[kM][kDim / 8][4],
                                              const std::uint32_t (&a)[kM][4], std::uint32_t b) {
#pragma unroll
  for (int n = 0; n < kDim / 8; n += 2) {
    std::uint32_t b_part[4];
    load_matrices_transposed(b_part, b ^ (16U * n));
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      multiply_add(c[m][n], a[m], b_part[0], b_part[1]);
      multiply_add(c[m][n + 1], a[m], b_part[2], b_part[3]);
    }
  }
}

/// Sets the scores [16 kM, 8 kN] that the causal mask hides to -infinity: of row r, all but the
/// first visible + r.
template <int kM, int kN>
__device__ __forceinline__ void mask_scores(float (&scores)[kM][kN][4], int visible, int lane) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int of_lane = visible + 16 * m + 8 * half + lane / 4 - 2 * (lane % 4);
#pragma unroll
      for (int n = 0; n < kN; ++n) {
        if (8 * n >= of_lane) scores[m][n][2 * half] = -INFINITY;
        if (8 * n + 1 >= of_lane) scores[m][n][2 * half + 1] = -INFINITY;
      }
    }
  }
}

/// Calls write(at, x, y) with each pair of neighbouring elements of scale * c [16 kM, 8 kN] that
/// this lane has, in the first valid_rows rows and head_dim columns; `at` is their place in a
/// matrix whose rows are `stride` apart. y is meaningless when `both` is false.
template <Access kAccess, typename T, int kM, int kN, typename Write>
__device__ __forceinline__ void for_pairs(const float (&c)[kM][kN][4], float scale, T* to,
                                          std::int64_t stride, int valid_rows, int head_dim,
                                          Write&& write) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int first_col = 2 * (lane % 4);
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = 16 * m + 8 * half + lane / 4;
      if (row >= valid_rows) continue;
      T* const at = to + row * stride + first_col;
#pragma unroll
      for (int n = 0; n < kN; ++n) {
        if (8 * n >= head_dim) break;
        const float x = scale * c[m][n][2 * half];
        const float y = scale * c[m][n][2 * half + 1];
        if constexpr (kAccess == Access::packs) {
          write(at + 8 * n, x, y, true);
        } else if (const int col = 8 * n + first_col; col < head_dim) {
          write(at + 8 * n, x, y, col + 1 < head_dim);
        }
      }
    }
  }
}

/// to [row, head_dim] = scale * c
template <Access kAccess, int kM, int kN>
__device__ __forceinline__ void store_rows(const float (&c)[kM][kN][4], float scale,
                                           __nv_bfloat16* to, std::int64_t stride, int valid_rows,
                                           int head_dim) {
  for_pairs<kAccess>(c, scale, to, stride, valid_rows, head_dim,
                     [](__nv_bfloat16* at, float x, float y, bool both) {
                       if constexpr (kAccess == Access::packs) {
                         *reinterpret_cast<std::uint32_t*>(at) = pack_bf16(x, y);
                       } else {
                         at[0] = __float2bfloat16_rn(x);
                         if (both) at[1] = __float2bfloat16_rn(y);
                       }
                     });
}

/// to [row, head_dim] = scale * c, or += scale * c
template <Access kAccess, FloatWrite kWrite, int kM, int kN>
__device__ __forceinline__ void write_rows(const float (&c)[kM][kN][4], float scale, float* to,
                                           std::int64_t stride, int valid_rows, int head_dim) {
  for_pairs<kAccess>(c, scale, to, stride, valid_rows, head_dim,
                     [](float* at, float x, float y, bool both) {
                       if constexpr (kAccess == Access::packs) {
                         float2 pair = make_float2(0.0F, 0.0F);
                         if (kWrite == FloatWrite::add) pair = *reinterpret_cast<float2*>(at);
                         pair.x += x;
                         pair.y += y;
                         *reinterpret_cast<float2*>(at) = pair;
                       } else {
                         constexpr bool kAdd = kWrite == FloatWrite::add;
                         at[0] = kAdd ? at[0] + x : x;
                         if (both) at[1] = kAdd ? at[1] + y : y;
                       }
                     });
}

}  // namespace longhaul::kernels::flash
