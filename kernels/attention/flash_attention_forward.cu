#include <cmath>

#include "kernels/attention/flash_attention.h"
#include "kernels/attention/flash_attention_launch.cuh"
#include "kernels/attention/flash_attention_plan.h"
#include "kernels/attention/flash_attention_tile.cuh"

namespace longhaul::kernels {
namespace {

using namespace flash;  // NOLINT(google-build-using-namespace): this op's own parts

/// How a block of threads divides its work: each warp owns 16 or 32 queries and their whole output.
/// 32 are twice as good for shared memory, whose reads are what two warps on the same keys do
/// twice.
template <int kHeadDim, Access kAccess_>
struct Shape {
  static constexpr Access kAccess = kAccess_;
  static constexpr int kDim = kHeadDim;
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kLanes;
  static constexpr int kM = kDim <= 128 ? 2 : 1;       // 16-row fragments of a warp
  static constexpr int kRows = kWarps * 16 * kM;       // queries of a block of threads
  static constexpr int kKeys = kDim <= 128 ? 64 : 32;  // keys at a time
  static constexpr int kSubTiles = kQueryTile / kRows;
  static constexpr int kBlocks = kDim <= 64 ? 3 : 2;  // on a multiprocessor
  static constexpr std::uint32_t kQueryBytes = kRows * row_bytes(kDim);
  static constexpr std::uint32_t kKeyBytes = kKeys * row_bytes(kDim);
  static constexpr std::uint32_t kStageBytes = 2 * kKeyBytes;  // keys and values
  static constexpr std::uint32_t kSharedBytes = kQueryBytes + 2 * kStageBytes;
};

struct Params {
  FlashAttentionForward call;
  const QueryTile* tiles;
  int group;         // query heads on a key/value head
  float scale_log2;  // scale * log2(e)
};

/// The running softmax of a warp's rows: of row 16 m + 8 half + lane / 4, the reference that its
/// exponentials are relative to and this lane's part of their sum.
template <int kM>
struct Softmax {
  float reference[kM][2];  // in units of the unscaled scores
  float sum[kM][2];
};

/// Raises the references when the new scores exceed one by so much that their exponentials could
/// become large, and rescales what was added before. Most of the time nothing does: exponentials up
/// to 2^kSlack are as good as those up to 1.
template <int kM, int kN, int kDimTiles>
__device__ __forceinline__ void update_references(const float (&scores)[kM][kN][4],
                                                  float scale_log2, Softmax<kM>& softmax,
                                                  float (&out)[kM][kDimTiles][4]) {
  constexpr float kSlack = 8.0F;
  float maximum[kM][2];
  bool exceeds = false;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float value = scores[m][0][2 * half];
#pragma unroll
      for (int n = 0; n < kN; ++n) {
        value = fmaxf(value, fmaxf(scores[m][n][2 * half], scores[m][n][2 * half + 1]));
      }
      value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 1));
      value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 2));
      maximum[m][half] = value;
      exceeds |= (value - softmax.reference[m][half]) * scale_log2 > kSlack;
    }
  }
  if (!__any_sync(0xffffffffU, exceeds)) return;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float reference = fmaxf(softmax.reference[m][half], maximum[m][half]);
      const float factor = exp2_fast((softmax.reference[m][half] - reference) * scale_log2);
      softmax.reference[m][half] = reference;
      softmax.sum[m][half] *= factor;
#pragma unroll
      for (int n = 0; n < kDimTiles; ++n) {
        out[m][n][2 * half] *= factor;
        out[m][n][2 * half + 1] *= factor;
      }
    }
  }
}

/// The exponentials of 16 keys' scores (columns n and n + 1) as a fragment a of the next product.
template <int kM, int kN>
__device__ __forceinline__ void exponentials(std::uint32_t (&p)[kM][4],
                                             const float (&scores)[kM][kN][4], int n,
                                             float scale_log2, Softmax<kM>& softmax) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int part = 0; part < 4; ++part) {
      const int half = part % 2;
      const float(&s)[4] = scores[m][n + part / 2];
      const float shift = softmax.reference[m][half] * scale_log2;
      const float x = exp2_fast(fmaf(s[2 * half], scale_log2, -shift));
      const float y = exp2_fast(fmaf(s[2 * half + 1], scale_log2, -shift));
      softmax.sum[m][half] += x + y;
      p[m][part] = pack_bf16(x, y);
    }
  }
}

template <typename S>
__global__ __launch_bounds__(S::kThreads, S::kBlocks) void forward_kernel(
    const __grid_constant__ Params params) {
  constexpr int kDim = S::kDim;
  constexpr int kM = S::kM;
  const FlashAttentionForward& call = params.call;
  const int heads = call.heads.num_q_heads;
  // Heads vary fastest: those on the same keys run together and find them in the L2 cache.
  const int head = static_cast<int>(blockIdx.x) % heads;
  const int number = static_cast<int>(blockIdx.x) / heads;
  const QueryTile tile = params.tiles[number / S::kSubTiles];
  const int first = number % S::kSubTiles * S::kRows;
  const int rows = min(S::kRows, tile.rows - first);
  if (rows <= 0) return;
  const int visible = tile.visible + first;  // keys that the first query sees
  const int keys = visible + rows - 1;       // keys that the last query sees
  const std::int64_t q_row = tile.q_begin + first;

  int thread = static_cast<int>(threadIdx.x);
  int lane = thread % kLanes;
  const int warp_row = thread / kLanes * 16 * kM;
  const std::uint32_t q_tile = shared_memory();
  const std::uint32_t stages = q_tile + S::kQueryBytes;
  std::uint32_t q_address = q_tile + warp_row * row_bytes(kDim) + lane_offset_rows<kDim>(lane);

  const std::int64_t column = std::int64_t{head} * call.heads.head_dim;
  const std::int64_t kv_column = std::int64_t{head / params.group} * call.heads.head_dim;
  const __nv_bfloat16* const k = call.k + tile.kv_begin * call.k_stride + kv_column;
  const __nv_bfloat16* const v = call.v + tile.kv_begin * call.v_stride + kv_column;
  const auto load_keys = [&](int block) {
    const std::uint32_t stage = stages + block % 2 * S::kStageBytes;
    const std::int64_t key = std::int64_t{block} * S::kKeys;
    const int valid = keys - block * S::kKeys;
    load_tile<kDim, S::kKeys, S::kThreads, S::kAccess>(
        stage, k + key * call.k_stride, call.k_stride, valid, call.heads.head_dim, thread);
    load_tile<kDim, S::kKeys, S::kThreads, S::kAccess>(stage + S::kKeyBytes,
                                                       v + key * call.v_stride, call.v_stride,
                                                       valid, call.heads.head_dim, thread);
  };
  load_tile<kDim, S::kRows, S::kThreads, S::kAccess>(
      q_tile, call.q + q_row * call.q_stride + column, call.q_stride, rows, call.heads.head_dim,
      thread);
  load_keys(0);
  copies_commit();

  float out[kM][kDim / 8][4];
  set_zero(out);
  Softmax<kM> softmax;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      softmax.reference[m][half] = -INFINITY;
      softmax.sum[m][half] = 0.0F;
    }
  }

  const int blocks = (keys + S::kKeys - 1) / S::kKeys;
  for (int block = 0; block < blocks; ++block) {
    make_opaque(thread);
    make_opaque(lane);
    make_opaque(q_address);
    copies_wait<0>();
    __syncthreads();  // this block's keys are there, and nobody reads the other stage any more
    if (block + 1 < blocks) load_keys(block + 1);
    copies_commit();

    const int limit = visible + warp_row - block * S::kKeys;  // of the warp's first row
    if (warp_row >= rows || limit + 16 * kM - 1 <= 0) continue;
    const std::uint32_t stage = stages + block % 2 * S::kStageBytes;
    float scores[kM][S::kKeys / 8][4];
    set_zero(scores);
    multiply_rows<kDim>(scores, q_address, stage + lane_offset_cols<kDim>(lane));
    // The first query sees the first key, so from the first block on every row has a finite
    // reference, and a block that is hidden from a row adds exp(-infinity) = 0.
    if (limit < S::kKeys) mask_scores(scores, limit, lane);
    update_references(scores, params.scale_log2, softmax, out);
    const std::uint32_t v_address = stage + S::kKeyBytes + lane_offset_rows<kDim>(lane);
#pragma unroll
    for (int n = 0; n < S::kKeys / 8; n += 2) {
      std::uint32_t p[kM][4];
      exponentials(p, scores, n, params.scale_log2, softmax);
      multiply_cols<kDim>(out, p, v_address + 8 * n * row_bytes(kDim));
    }
  }

#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = softmax.sum[m][half];
      sum += __shfl_xor_sync(0xffffffffU, sum, 1);
      sum += __shfl_xor_sync(0xffffffffU, sum, 2);
      const float inverse = 1.0F / sum;
#pragma unroll
      for (int n = 0; n < kDim / 8; ++n) {
        out[m][n][2 * half] *= inverse;
        out[m][n][2 * half + 1] *= inverse;
      }
      const int row = warp_row + 16 * m + 8 * half + lane / 4;
      if (lane % 4 == 0 && row < rows) {
        // The same rounded product that the exponentials were relative to.
        const double shift = softmax.reference[m][half] * params.scale_log2;
        constexpr double kLn2 = 0.69314718055994531;
        call.lse[head * call.q_rows + q_row + row] = static_cast<float>(shift * kLn2) + logf(sum);
      }
    }
  }
  store_rows<S::kAccess>(out, 1.0F, call.o + (q_row + warp_row) * call.o_stride + column,
                         call.o_stride, rows - warp_row, call.heads.head_dim);
}

}  // namespace

void flash_attention_forward(const FlashAttentionForward& call, const FlashAttentionPlan& plan,
                             cudaStream_t stream) {
  check_heads(call.heads);
  if (plan.query_tiles == 0) return;
  const Params params{call, PlanArrays(call.plan, plan).query_tiles,
                      call.heads.num_q_heads / call.heads.num_kv_heads, call.heads.scale * kLog2E};
  const Access access = access_of(call.heads.head_dim, {{call.q, call.q_stride},
                                                        {call.k, call.k_stride},
                                                        {call.v, call.v_stride},
                                                        {call.o, call.o_stride}});
  dispatch(call.heads.head_dim, access, [&]<int kDim, Access kAccess>() {
    using S = Shape<kDim, kAccess>;
    launch_kernel(&forward_kernel<S>, params,
                  plan.query_tiles * S::kSubTiles * call.heads.num_q_heads, S::kThreads,
                  S::kSharedBytes, stream, "flash_attention_forward");
  });
}

}  // namespace longhaul::kernels
