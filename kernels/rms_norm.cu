#include <cuda_bf16.h>

#include <algorithm>

#include "core/cuda_check.h"
#include "kernels/column_sums.h"
#include "kernels/rms_norm.h"
#include "kernels/support/divider.cuh"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/team.cuh"
#include "kernels/support/unit.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {
namespace {

using bf16 = __nv_bfloat16;

constexpr int kMaxThreads = 640;
constexpr int kSmallThreads = 256;
constexpr int kMaxUnits = 2;  // of 8 elements, a thread
constexpr std::int64_t kMaxLaneWidth = 8 * kWarpSize;
constexpr std::int64_t kMaxWidth = std::int64_t{8} * kMaxThreads * kMaxUnits;

/// Where an item lies.
struct Place {
  std::int64_t row;
  int group;
};

/// Item i is group i % groups of row i / groups.
class Groups {
 public:
  Groups(std::int64_t rows, int groups, std::int64_t width)
      : groups_(groups),
        divider_(groups),
        count_(rows * groups),
        width_(static_cast<int>(width)),
        inv_width_(1.0F / static_cast<float>(width)) {}

  [[nodiscard]] __host__ __device__ std::int64_t count() const { return count_; }
  [[nodiscard]] __host__ __device__ int width() const { return width_; }
  [[nodiscard]] __device__ float inv_width() const { return inv_width_; }
  [[nodiscard]] __device__ __forceinline__ Place place(std::int64_t item) const {
    Place at;
    std::int64_t group = 0;
    divider_.divide(item, at.row, group);
    at.group = static_cast<int>(group);
    return at;
  }
  /// The place as many items behind `at` as `step` is behind 0: cheaper than a division.
  [[nodiscard]] __device__ __forceinline__ Place after(const Place& at, const Place& step) const {
    Place next{at.row + step.row, at.group + step.group};
    if (next.group >= groups_) {
      next.group -= groups_;
      ++next.row;
    }
    return next;
  }
  /// Elements before the item in a matrix of this stride.
  [[nodiscard]] __device__ __forceinline__ std::int64_t offset(const Place& at,
                                                               std::int64_t stride) const {
    return at.row * stride + static_cast<std::int64_t>(at.group) * width_;
  }

 private:
  int groups_;
  Divider divider_;
  std::int64_t count_;
  int width_;
  float inv_width_;
};

/// How a block of one item is cut up, for widths of more than kMaxLaneWidth.
struct BlockShape {
  int units;  // a thread
  int threads;
};
BlockShape block_shape(std::int64_t width) {
  const std::int64_t units = ceil_div(width, 8);
  const int per_thread = units <= kSmallThreads / 2 ? 1 : kMaxUnits;
  const std::int64_t threads = round_up(ceil_div(units, per_thread), kWarpSize);
  return {per_thread, static_cast<int>(std::min<std::int64_t>(threads, kMaxThreads))};
}

/// Blocks of one unit a thread are small.
constexpr int max_threads(int units) { return units == 1 ? kSmallThreads : kMaxThreads; }

/// The units of one item that a thread of its team holds, zeros where it has none.
template <int kUnits, typename Team>
__device__ __forceinline__ void load_item(const Team& team, const bf16* item, bool there, int units,
                                          Bf16x8 (&to)[kUnits]) {
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    const int unit = u * team.size() + team.rank();
    to[u] = Bf16x8{};
    if (there && unit < units) to[u] = load_unit_streaming<8>(item + unit * 8);
  }
}

template <int kUnits, typename Team>
__device__ __forceinline__ void load_weight(const Team& team, const bf16* weight, int units,
                                            Bf16x8 (&to)[kUnits]) {
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    const int unit = u * team.size() + team.rank();
    if (unit < units) to[u] = load_unit_anywhere(weight + unit * 8);
  }
}

/// A team's item stays in its registers; the next one is on its way meanwhile.
template <typename Team, int kUnits>
__global__ void __launch_bounds__(max_threads(kUnits))
    forward_kernel(const bf16* x, std::int64_t x_stride, const bf16* weight, float epsilon, bf16* y,
                   std::int64_t y_stride, float* inv_rms, Groups groups) {
  Team team;
  const int units = static_cast<int>(groups.width() / 8);
  Bf16x8 weights[kUnits];
  load_weight(team, weight, units, weights);

  std::int64_t item = team.first();
  const Place step = groups.place(team.stride());
  Place next_at = groups.place(item);
  Bf16x8 next[kUnits];
  load_item(team, x + groups.offset(next_at, x_stride), item < groups.count(), units, next);
  for (; team.any(item < groups.count()); item += team.stride()) {
    const Place at = next_at;
    Bf16x8 now[kUnits];
#pragma unroll
    for (int u = 0; u < kUnits; ++u) now[u] = next[u];
    next_at = groups.after(at, step);
    load_item(team, x + groups.offset(next_at, x_stride), item + team.stride() < groups.count(),
              units, next);

    float squares = 0.0F;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      float values[8];
      unpack(now[u], values);
#pragma unroll
      for (int i = 0; i < 8; ++i) squares += values[i] * values[i];
    }
    const float inv = rsqrtf(team.sum(squares) * groups.inv_width() + epsilon);
    if (item >= groups.count()) continue;
    if (team.rank() == 0) inv_rms[item] = inv;
    bf16* const to = y + groups.offset(at, y_stride);
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const int unit = u * team.size() + team.rank();
      float values[8];
      float w[8];
      unpack(now[u], values);
      unpack(weights[u], w);
#pragma unroll
      for (int i = 0; i < 8; ++i) values[i] *= inv * w[i];
      if (unit < units) store_unit(to + unit * 8, pack<bf16>(values));
    }
  }
}

/// Any width and alignment: a block an item, which is read twice.
__global__ void forward_any_kernel(const bf16* x, std::int64_t x_stride, const bf16* weight,
                                   float epsilon, bf16* y, std::int64_t y_stride, float* inv_rms,
                                   Groups groups) {
  BlockTeam team;
  for (std::int64_t item = team.first(); item < groups.count(); item += team.stride()) {
    const Place at = groups.place(item);
    const bf16* const from = x + groups.offset(at, x_stride);
    bf16* const to = y + groups.offset(at, y_stride);
    float squares = 0.0F;
    for (std::int64_t i = team.rank(); i < groups.width(); i += team.size()) {
      const float value = __bfloat162float(from[i]);
      squares += value * value;
    }
    const float inv = rsqrtf(team.sum(squares) * groups.inv_width() + epsilon);
    if (team.rank() == 0) inv_rms[item] = inv;
    for (std::int64_t i = team.rank(); i < groups.width(); i += team.size()) {
      to[i] = __float2bfloat16_rn(__bfloat162float(from[i]) * (inv * __bfloat162float(weight[i])));
    }
  }
}

/// What a thread holds of one item on the way back.
template <int kUnits>
struct BackwardItem {
  Bf16x8 dy[kUnits];
  Bf16x8 x[kUnits];
  float inv_rms;
};

/// Leaves the sums of dweight of a block of one team in its row of partial [gridDim.x, width].
template <int kUnits>
__device__ __forceinline__ void store_dweight(const BlockTeam& team, float (&dweight)[kUnits * 8],
                                              int units, float* partial) {
  float* const to = partial + static_cast<std::int64_t>(blockIdx.x) * units * 8;
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    const int unit = u * team.size() + team.rank();
    if (unit >= units) continue;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float* const from = dweight + u * 8 + half * 4;
      reinterpret_cast<float4*>(to)[unit * 2 + half] =
          make_float4(from[0], from[1], from[2], from[3]);
    }
  }
}
template <int kUnits, int kLanes>
__device__ __forceinline__ void store_dweight(const LaneTeam<kLanes>&, float (&dweight)[8],
                                              int units, float* partial) {
  float* const to = partial + static_cast<std::int64_t>(blockIdx.x) * units * 8;
  sum_teams<kLanes, kSmallThreads>(dweight, [=](int rank, int i, float sum) {
    if (rank < units) to[rank * 8 + i] = sum;
  });
}

/// With s = inv_rms: dx = s w dy - x s^3 mean(w dy x), dweight += dy x s.
template <typename Team, int kUnits, AccumulateMode kWrite>
__global__ void __launch_bounds__(max_threads(kUnits), kUnits == 1 ? 3 : 1)
    backward_kernel(const bf16* dy, std::int64_t dy_stride, const bf16* x, std::int64_t x_stride,
                    const bf16* weight, const float* inv_rms, bf16* dx, std::int64_t dx_stride,
                    float* partial, Groups groups) {
  Team team;
  const int units = static_cast<int>(groups.width() / 8);
  Bf16x8 weights[kUnits];
  load_weight(team, weight, units, weights);
  float dweight[kUnits * 8] = {};

  const auto load = [&](std::int64_t item, const Place& at, BackwardItem<kUnits>& to) {
    const bool there = item < groups.count();
    load_item(team, dy + groups.offset(at, dy_stride), there, units, to.dy);
    load_item(team, x + groups.offset(at, x_stride), there, units, to.x);
    to.inv_rms = there ? __ldg(inv_rms + item) : 0.0F;
  };
  std::int64_t item = team.first();
  const Place step = groups.place(team.stride());
  Place next_at = groups.place(item);
  BackwardItem<kUnits> next;
  load(item, next_at, next);
  for (; team.any(item < groups.count()); item += team.stride()) {
    const BackwardItem<kUnits> now = next;
    bf16* const to = dx + groups.offset(next_at, dx_stride);
    Bf16x8 before[kUnits];
    if constexpr (kWrite == AccumulateMode::accumulate) {
      load_item(team, to, item < groups.count(), units, before);
    }
    next_at = groups.after(next_at, step);
    load(item + team.stride(), next_at, next);

    float along = 0.0F;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      float w[8];
      float dy_values[8];
      float x_values[8];
      unpack(weights[u], w);
      unpack(now.dy[u], dy_values);
      unpack(now.x[u], x_values);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float product = dy_values[i] * x_values[i];
        along += w[i] * product;
        dweight[u * 8 + i] += product * now.inv_rms;
      }
    }
    const float pull =
        team.sum(along) * groups.inv_width() * now.inv_rms * now.inv_rms * now.inv_rms;
    if (item >= groups.count()) continue;
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const int unit = u * team.size() + team.rank();
      float w[8];
      float gradient[8];
      float x_values[8];
      unpack(weights[u], w);
      unpack(now.dy[u], gradient);
      unpack(now.x[u], x_values);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        gradient[i] = gradient[i] * w[i] * now.inv_rms - x_values[i] * pull;
      }
      if constexpr (kWrite == AccumulateMode::accumulate) {
        float sum[8];
        unpack(before[u], sum);
#pragma unroll
        for (int i = 0; i < 8; ++i) gradient[i] += sum[i];
      }
      if (unit < units) store_unit(to + unit * 8, pack<bf16>(gradient));
    }
  }
  store_dweight<kUnits>(team, dweight, units, partial);
}

/// Any width and alignment. The block's row of partial [gridDim.x, width] is its accumulator: each
/// thread has its own columns of it.
template <AccumulateMode kWrite>
__global__ void backward_any_kernel(const bf16* dy, std::int64_t dy_stride, const bf16* x,
                                    std::int64_t x_stride, const bf16* weight, const float* inv_rms,
                                    bf16* dx, std::int64_t dx_stride, float* partial,
                                    Groups groups) {
  BlockTeam team;
  float* const dweight = partial + static_cast<std::int64_t>(blockIdx.x) * groups.width();
  for (std::int64_t i = team.rank(); i < groups.width(); i += team.size()) dweight[i] = 0.0F;
  for (std::int64_t item = team.first(); item < groups.count(); item += team.stride()) {
    const Place at = groups.place(item);
    const bf16* const dy_from = dy + groups.offset(at, dy_stride);
    const bf16* const x_from = x + groups.offset(at, x_stride);
    bf16* const to = dx + groups.offset(at, dx_stride);
    const float inv = inv_rms[item];
    float along = 0.0F;
    for (std::int64_t i = team.rank(); i < groups.width(); i += team.size()) {
      const float product = __bfloat162float(dy_from[i]) * __bfloat162float(x_from[i]);
      along += __bfloat162float(weight[i]) * product;
      dweight[i] += product * inv;
    }
    const float pull = team.sum(along) * groups.inv_width() * inv * inv * inv;
    for (std::int64_t i = team.rank(); i < groups.width(); i += team.size()) {
      float gradient = __bfloat162float(dy_from[i]) * __bfloat162float(weight[i]) * inv -
                       __bfloat162float(x_from[i]) * pull;
      if constexpr (kWrite == AccumulateMode::accumulate) gradient += __bfloat162float(to[i]);
      to[i] = __float2bfloat16_rn(gradient);
    }
  }
}

/// Most blocks of a backward pass, each with one row of scratch. Few enough that writing and adding
/// up those rows costs little beside a few thousand rows of x.
std::int64_t backward_blocks(std::int64_t width) {
  if (width <= kMaxLaneWidth) return 3 * kMultiprocessors;
  const BlockShape shape = block_shape(width);
  // As many as fit a multiprocessor's registers at a time.
  const int threads = shape.units == 1 ? 3 * kSmallThreads : kMaxThreads;
  return std::clamp(threads / shape.threads, 1, 16) * kMultiprocessors;
}

int threads_for_any(std::int64_t width) {
  return static_cast<int>(std::min<std::int64_t>(round_up(width, kWarpSize), 256));
}

/// Calls f.template operator()<Team, kUnits>(threads a block, threads a team).
template <typename F>
void by_width(std::int64_t width, F&& f) {
  if (width <= 64) {
    f.template operator()<LaneTeam<8>, 1>(kSmallThreads, 8);
  } else if (width <= 128) {
    f.template operator()<LaneTeam<16>, 1>(kSmallThreads, 16);
  } else if (width <= kMaxLaneWidth) {
    f.template operator()<LaneTeam<kWarpSize>, 1>(kSmallThreads, kWarpSize);
  } else {
    const BlockShape shape = block_shape(width);
    if (shape.units == 1) {
      f.template operator()<BlockTeam, 1>(shape.threads, shape.threads);
    } else {
      f.template operator()<BlockTeam, kMaxUnits>(shape.threads, shape.threads);
    }
  }
}

template <AccumulateMode kWrite>
std::int64_t launch_backward(const ConstMatrixView& dy, const ConstMatrixView& x,
                             const bf16* weight, const float* inv_rms, const MatrixView& dx,
                             float* partial, const Groups& groups, cudaStream_t stream) {
  const std::int64_t most = backward_blocks(groups.width());
  const bool fast = groups.width() % 8 == 0 && groups.width() <= kMaxWidth && is_aligned(dy, 8) &&
                    is_aligned(x, 8) && is_aligned(dx, 8);
  unsigned blocks = 0;
  if (fast) {
    by_width(groups.width(), [&]<typename Team, int kUnits>(int threads, int team) {
      blocks = grid_size(groups.count(), threads / team, most);
      backward_kernel<Team, kUnits, kWrite>
          <<<blocks, threads, 0, stream>>>(dy.as<bf16>(), dy.stride, x.as<bf16>(), x.stride, weight,
                                           inv_rms, dx.as<bf16>(), dx.stride, partial, groups);
    });
  } else {
    blocks = grid_size(groups.count(), 1, most);
    backward_any_kernel<kWrite><<<blocks, threads_for_any(groups.width()), 0, stream>>>(
        dy.as<bf16>(), dy.stride, x.as<bf16>(), x.stride, weight, inv_rms, dx.as<bf16>(), dx.stride,
        partial, groups);
  }
  return blocks;
}

}  // namespace

void rms_norm_forward(ConstMatrixView x, int groups, const void* weight, float epsilon,
                      MatrixView y, float* inv_rms, cudaStream_t stream) {
  check_view(x, DType::bf16, x.rows, x.cols, "rms_norm_forward", "x");
  check_view(y, DType::bf16, x.rows, x.cols, "rms_norm_forward", "y");
  const std::int64_t width = check_groups(x.cols, groups, "rms_norm_forward");
  if (x.size() == 0) return;
  const Groups items(x.rows, groups, width);
  const auto* const w = static_cast<const bf16*>(weight);
  if (width % 8 == 0 && width <= kMaxWidth && is_aligned(x, 8) && is_aligned(y, 8)) {
    by_width(width, [&]<typename Team, int kUnits>(int threads, int team) {
      const int resident = std::max(1, (kUnits == 1 ? 1536 : 1280) / threads);
      const unsigned blocks = grid_size(items.count(), threads / team, resident * kMultiprocessors);
      forward_kernel<Team, kUnits><<<blocks, threads, 0, stream>>>(
          x.as<bf16>(), x.stride, w, epsilon, y.as<bf16>(), y.stride, inv_rms, items);
    });
  } else {
    const unsigned blocks = grid_size(items.count(), 1, 16 * kMultiprocessors);
    forward_any_kernel<<<blocks, threads_for_any(width), 0, stream>>>(
        x.as<bf16>(), x.stride, w, epsilon, y.as<bf16>(), y.stride, inv_rms, items);
  }
  LONGHAUL_CUDA_CHECK_LAUNCH("rms_norm_forward");
}

std::size_t rms_norm_backward_scratch_bytes(std::int64_t width) {
  return static_cast<std::size_t>(backward_blocks(width) * width) * sizeof(float);
}

void rms_norm_backward(ConstMatrixView dy, ConstMatrixView x, int groups, const void* weight,
                       const float* inv_rms, MatrixView dx, AccumulateMode write, float* dweight,
                       void* scratch, std::size_t scratch_bytes, cudaStream_t stream) {
  check_view(x, DType::bf16, x.rows, x.cols, "rms_norm_backward", "x");
  check_view(dy, DType::bf16, x.rows, x.cols, "rms_norm_backward", "dy");
  check_view(dx, DType::bf16, x.rows, x.cols, "rms_norm_backward", "dx");
  const std::int64_t width = check_groups(x.cols, groups, "rms_norm_backward");
  if (x.size() == 0) return;
  check_scratch(scratch, scratch_bytes, rms_norm_backward_scratch_bytes(width),
                "rms_norm_backward");
  const Groups items(x.rows, groups, width);
  const auto launch = write == AccumulateMode::accumulate
                          ? launch_backward<AccumulateMode::accumulate>
                          : launch_backward<AccumulateMode::overwrite>;
  auto* const partial = static_cast<float*>(scratch);
  const std::int64_t blocks =
      launch(dy, x, static_cast<const bf16*>(weight), inv_rms, dx, partial, items, stream);
  LONGHAUL_CUDA_CHECK_LAUNCH("rms_norm_backward");
  add_partial_rows(partial, blocks, width, dweight, stream);
}

}  // namespace longhaul::kernels
