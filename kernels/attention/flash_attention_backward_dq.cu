#include "kernels/attention/flash_attention_backward.h"
#include "kernels/attention/flash_attention_launch.cuh"
#include "kernels/attention/flash_attention_tile.cuh"

namespace longhaul::kernels::flash {
namespace {

/// Each warp owns 16 or 32 queries and their dQ. Keys come in small blocks, because scores, dP and
/// dQ are in registers at the same time.
template <int kHeadDim, Access kAccess_>
struct Shape {
  static constexpr Access kAccess = kAccess_;
  static constexpr int kDim = kHeadDim;
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kLanes;
  static constexpr int kM = kDim <= 128 ? 2 : 1;  // 16-row fragments of a warp
  static constexpr int kRows = kWarps * 16 * kM;  // queries of a block of threads
  static constexpr int kKeys = 32;                // keys at a time
  static constexpr int kSubTiles = kQueryTile / kRows;
  static constexpr int kBlocks = kDim <= 128 ? 2 : 1;  // on a multiprocessor
  static constexpr std::uint32_t kQueryBytes = kRows * row_bytes(kDim);
  static constexpr std::uint32_t kKeyBytes = kKeys * row_bytes(kDim);
  static constexpr std::uint32_t kStageBytes = 2 * kKeyBytes;  // keys and values
  static constexpr std::uint32_t kSharedBytes = 2 * kQueryBytes + 2 * kStageBytes;
};

/// What a lane needs to know of its rows 16 m + 8 half + lane / 4.
template <int kM>
struct Rows {
  float lse_log2[kM][2];
  float delta[kM][2];
};

/// dS of 16 keys (columns n and n + 1) as a fragment a of the next product.
template <int kM, int kN>
__device__ __forceinline__ void score_gradients(std::uint32_t (&ds)[kM][4],
                                                const float (&scores)[kM][kN][4],
                                                const float (&dp)[kM][kN][4], int n,
                                                float scale_log2, const Rows<kM>& rows) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int part = 0; part < 4; ++part) {
      const int half = part % 2;
      const int column = n + part / 2;
      float d[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float p =
            exp2_fast(fmaf(scores[m][column][2 * half + i], scale_log2, -rows.lse_log2[m][half]));
        d[i] = p * (dp[m][column][2 * half + i] - rows.delta[m][half]);
      }
      ds[m][part] = pack_bf16(d[0], d[1]);
    }
  }
}

template <typename S>
__global__ __launch_bounds__(S::kThreads,
                             S::kBlocks) void dq_kernel(const __grid_constant__ BackwardPass pass) {
  constexpr int kDim = S::kDim;
  constexpr int kM = S::kM;
  const FlashAttentionBackward& call = pass.call;
  const int heads = call.heads.num_q_heads;
  const int head_dim = call.heads.head_dim;
  const int head = static_cast<int>(blockIdx.x) % heads;
  const int number = static_cast<int>(blockIdx.x) / heads;
  const QueryTile tile = pass.plan.query_tiles[number / S::kSubTiles];
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
  const std::uint32_t d_o_tile = q_tile + S::kQueryBytes;
  const std::uint32_t stages = d_o_tile + S::kQueryBytes;
  std::uint32_t q_address = q_tile + warp_row * row_bytes(kDim) + lane_offset_rows<kDim>(lane);

  const std::int64_t column = std::int64_t{head} * head_dim;
  const std::int64_t kv_column = std::int64_t{head / pass.group} * head_dim;
  const __nv_bfloat16* const k = call.k + tile.kv_begin * call.k_stride + kv_column;
  const __nv_bfloat16* const v = call.v + tile.kv_begin * call.v_stride + kv_column;
  const auto load_keys = [&](int block) {
    const std::uint32_t stage = stages + block % 2 * S::kStageBytes;
    const std::int64_t key = std::int64_t{block} * S::kKeys;
    const int valid = keys - block * S::kKeys;
    load_tile<kDim, S::kKeys, S::kThreads, S::kAccess>(stage, k + key * call.k_stride,
                                                       call.k_stride, valid, head_dim, thread);
    load_tile<kDim, S::kKeys, S::kThreads, S::kAccess>(
        stage + S::kKeyBytes, v + key * call.v_stride, call.v_stride, valid, head_dim, thread);
  };
  load_tile<kDim, S::kRows, S::kThreads, S::kAccess>(
      q_tile, call.q + q_row * call.q_stride + column, call.q_stride, rows, head_dim, thread);
  load_tile<kDim, S::kRows, S::kThreads, S::kAccess>(d_o_tile,
                                                     call.d_o + q_row * call.d_o_stride + column,
                                                     call.d_o_stride, rows, head_dim, thread);
  load_keys(0);
  copies_commit();

  Rows<kM> of_rows;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = warp_row + 16 * m + 8 * half + lane / 4;
      const std::int64_t at = head * call.q_rows + q_row + row;
      of_rows.lse_log2[m][half] = row < rows ? call.lse[at] * kLog2E : 0.0F;
      of_rows.delta[m][half] = row < rows ? pass.delta[at] : 0.0F;
    }
  }

  float dq[kM][kDim / 8][4];
  set_zero(dq);
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
    float dp[kM][S::kKeys / 8][4];
    set_zero(scores);
    set_zero(dp);
    const std::uint32_t k_address = stage + lane_offset_cols<kDim>(lane);
    multiply_rows<kDim>(scores, q_address, k_address);
    multiply_rows<kDim>(dp, q_address + S::kQueryBytes, k_address + S::kKeyBytes);
    if (limit < S::kKeys) mask_scores(scores, limit, lane);
#pragma unroll
    for (int n = 0; n < S::kKeys / 8; n += 2) {
      std::uint32_t ds[kM][4];
      score_gradients(ds, scores, dp, n, pass.scale_log2, of_rows);
      multiply_cols<kDim>(dq, ds, stage + lane_offset_rows<kDim>(lane) + 8 * n * row_bytes(kDim));
    }
  }
  store_rows<S::kAccess>(dq, call.heads.scale,
                         call.dq + (q_row + warp_row) * call.dq_stride + column, call.dq_stride,
                         rows - warp_row, head_dim);
}

}  // namespace

void launch_backward_dq(const BackwardPass& pass, Access access, cudaStream_t stream) {
  const AttentionHeads& heads = pass.call.heads;
  dispatch(heads.head_dim, access, [&]<int kDim, Access kAccess>() {
    using S = Shape<kDim, kAccess>;
    launch_kernel(&dq_kernel<S>, pass, pass.query_tiles * S::kSubTiles * heads.num_q_heads,
                  S::kThreads, S::kSharedBytes, stream, "flash_attention_backward dq");
  });
}

}  // namespace longhaul::kernels::flash
