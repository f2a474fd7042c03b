#pragma once

// Rotary position embedding turns the pairs (i, i + D/2) of each head of D columns. A thread holds
// 8 neighbouring columns of the lower half of a head and their 8 partners, so that it needs no
// other thread to turn them, and does so for a few heads of a row with one set of angles.

#include "core/tensor/rope_table.h"
#include "kernels/support/divider.cuh"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/reduce.cuh"
#include "kernels/support/unit.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {

inline constexpr int kChunkHeads = 2;

/// Where a chunk of up to kChunkHeads neighbouring heads of a row begins.
struct HeadPlace {
  std::int64_t row;
  int head;
};

/// The chunks of a matrix [rows, heads * D], row after row; D is a multiple of 16.
class HeadChunks {
 public:
  HeadChunks(std::int64_t rows, int heads, std::int64_t head_dim)
      : per_row_(ceil_div(heads, kChunkHeads)),
        count_(rows * ceil_div(heads, kChunkHeads)),
        heads_(heads),
        half_(static_cast<int>(head_dim / 2)),
        inv_dim_(1.0F / static_cast<float>(head_dim)) {}

  [[nodiscard]] __host__ __device__ std::int64_t count() const { return count_; }
  [[nodiscard]] __device__ int heads() const { return heads_; }
  /// Columns in half a head.
  [[nodiscard]] __device__ int half() const { return half_; }
  [[nodiscard]] __device__ float inv_dim() const { return inv_dim_; }
  /// The last chunk for one that is not there, so that its row can be looked up without a test.
  [[nodiscard]] __device__ __forceinline__ HeadPlace place(std::int64_t chunk) const {
    HeadPlace at;
    std::int64_t chunk_in_row = 0;
    per_row_.divide(chunk < count_ ? chunk : count_ - 1, at.row, chunk_in_row);
    at.head = static_cast<int>(chunk_in_row) * kChunkHeads;
    return at;
  }

 private:
  Divider per_row_;
  std::int64_t count_;
  int heads_;
  int half_;
  float inv_dim_;
};

/// 8 columns of the lower half of a head, and their partners of the upper half.
struct HalvesUnit {
  Bf16x8 low;
  Bf16x8 high;
};

/// cos and sin [max_position, D / 2] for 8 pairs.
struct Angles {
  float cos[8];
  float sin[8];
};

/// `offset`: of the first pair, a multiple of 8.
__device__ __forceinline__ Angles load_angles(const float* cos, const float* sin,
                                              std::int64_t offset) {
  Angles angles;
#pragma unroll
  for (int part = 0; part < 2; ++part) {
    const float4 c = __ldg(reinterpret_cast<const float4*>(cos + offset) + part);
    const float4 s = __ldg(reinterpret_cast<const float4*>(sin + offset) + part);
    angles.cos[part * 4] = c.x;
    angles.cos[part * 4 + 1] = c.y;
    angles.cos[part * 4 + 2] = c.z;
    angles.cos[part * 4 + 3] = c.w;
    angles.sin[part * 4] = s.x;
    angles.sin[part * 4 + 1] = s.y;
    angles.sin[part * 4 + 2] = s.z;
    angles.sin[part * 4 + 3] = s.w;
  }
  return angles;
}

/// (low, high) by the angle whose cosine and sine these are.
__device__ __forceinline__ void turn(float& low, float& high, float cos, float sin) {
  const float turned = low * cos - high * sin;
  high = high * cos + low * sin;
  low = turned;
}

/// Can halves of heads be read 8 columns at a time, and their angles with them?
inline bool halves_are_aligned(const ConstMatrixView& x, std::int64_t head_dim,
                               const RopeTable& table) {
  return head_dim % 16 == 0 && head_dim <= 16 * kWarpSize && is_aligned(x, 8) &&
         reinterpret_cast<std::uintptr_t>(table.cos) % 16 == 0 &&
         reinterpret_cast<std::uintptr_t>(table.sin) % 16 == 0;
}

/// Columns of a head that rope can turn.
inline std::int64_t check_heads(std::int64_t cols, int heads, const char* op) {
  const std::int64_t head_dim = check_groups(cols, heads, op);
  LONGHAUL_CHECK(head_dim % 2 == 0, "{}: heads of {} columns", op, head_dim);
  return head_dim;
}

/// Calls f.template operator()<kLanes>() with the lanes that half a head takes.
template <typename F>
void by_lanes(std::int64_t head_dim, F&& f) {
  const std::int64_t units = head_dim / 16;
  if (units <= 4) {
    f.template operator()<4>();
  } else if (units <= 8) {
    f.template operator()<8>();
  } else if (units <= 16) {
    f.template operator()<16>();
  } else {
    f.template operator()<kWarpSize>();
  }
}

}  // namespace longhaul::kernels
