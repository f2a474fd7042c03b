#include "kernels/attention/flash_attention_backward.h"
#include "kernels/attention/flash_attention_launch.cuh"
#include "kernels/attention/flash_attention_tile.cuh"

namespace longhaul::kernels::flash {
namespace {

/// A block of threads owns kKeys keys of one key/value head and meets all queries that see them, in
/// tiles of kQueries. Each 16 or 32 keys belong to a pair of warps on the same quarter of the
/// multiprocessor: warp w makes P^T and adds up dV, warp w + kPairs makes dP^T and dS^T and adds up
/// dK. Both have the same number of products, and twice the keys that one warp alone would have
/// registers for, which halves what is read from shared memory for each product.
///
/// P^T goes from one to the other through shared memory, as the fragments a that both need. The
/// second warp works on it while the first makes the next: its exponentials and the other's
/// products then overlap, and one barrier a tile is enough.
template <int kHeadDim, Access kAccess_>
struct Shape {
  static constexpr Access kAccess = kAccess_;
  static constexpr int kDim = kHeadDim;
  static constexpr int kPairs = 4;
  static constexpr int kThreads = 2 * kPairs * kLanes;
  static constexpr int kM = kDim <= 128 ? 2 : 1;  // 16-row fragments of a pair
  static constexpr int kPairKeys = 16 * kM;
  static constexpr int kKeys = kPairs * kPairKeys;
  static constexpr int kQueries = kDim <= 128 ? 64 : 32;
  static constexpr int kSubBlocks = kKeyBlock / kKeys;
  // Stages: q is read in two rounds after its load, d_o in one; P is written in one and read in the
  // next.
  static constexpr int kQStages = 3;
  static constexpr int kDOStages = 2;
  static constexpr std::uint32_t kKeyBytes = kKeys * row_bytes(kDim);
  static constexpr std::uint32_t kQueryBytes = kQueries * row_bytes(kDim);
  static constexpr std::uint32_t kPairProbabilityBytes = kPairKeys * kQueries * 2;
  static constexpr std::uint32_t kProbabilityBytes = kPairs * kPairProbabilityBytes;
  static constexpr std::uint32_t kRowFloatBytes = kQueries * 4;
  static constexpr std::uint32_t kV = kKeyBytes;  // offsets in shared memory; keys are at 0
  static constexpr std::uint32_t kQ = kV + kKeyBytes;
  static constexpr std::uint32_t kDO = kQ + kQStages * kQueryBytes;
  static constexpr std::uint32_t kProbabilities = kDO + kDOStages * kQueryBytes;
  static constexpr std::uint32_t kLse = kProbabilities + 2 * kProbabilityBytes;
  static constexpr std::uint32_t kDelta = kLse + kDOStages * kRowFloatBytes;
  static constexpr std::uint32_t kSharedBytes = kDelta + kQStages * kRowFloatBytes;
};

/// A tile of queries of one head. Query i of it sees the block's keys low to last + i, counted
/// within the block.
struct QueryTileAt {
  int rows;  // queries to the segment's end, maybe more than the tile has; 0: no tile
  int low;
  int last;
  int head;
  std::int64_t q_row;  // the first query in the stream
};

/// Walks over the query tiles that see some of a block's keys: for each segment that has such keys,
/// for each query head, from the first query that sees one. One thread does, in shared memory: the
/// others have no registers left.
struct QueryWalk {
  const AttentionSegment* segment;  // the next one
  const AttentionSegment* end_segment;
  int key_begin, key_end;
  int kv_head;
  int first_head, end_head;
  int first_row, end_row;  // of the segment's queries
  int head;
  int row;
  std::int64_t q_begin;
  int low;
  int last;  // of query 0

  __device__ void next_segment() {
    for (; segment != end_segment; ++segment) {
      const AttentionSegment s = *segment;
      const int first_key = max(0, key_begin - s.kv_begin);
      if (first_key >= s.kv_len || s.kv_begin >= key_end) continue;
      const int before = s.kv_len - s.q_len;  // keys that all its queries see
      first_row = max(0, first_key - before);
      end_row = s.q_len;
      head = first_head;
      row = first_row;
      q_begin = s.q_begin;
      low = s.kv_begin - key_begin;
      last = low + before;
      ++segment;
      return;
    }
    head = end_head;
  }

  /// The tile at hand, of so many queries, and a step to the next.
  __device__ QueryTileAt take(int queries) {
    if (head == end_head) return {0, 0, 0, 0, 0};
    const QueryTileAt tile{end_row - row, low, last + row, head, q_begin + row};
    row += queries;
    if (row >= end_row) {
      row = first_row;
      if (++head == end_head) next_segment();
    }
    return tile;
  }
};

/// Sets the transposed scores of hidden pairs to -infinity; `key` is the warp's first key within
/// the block.
template <int kM, int kN>
__device__ __forceinline__ void mask_scores(float (&scores)[kM][kN][4], const QueryTileAt& tile,
                                            int key, int lane) {
  if (tile.rows >= 8 * kN && tile.low <= key && key + 16 * kM - 1 <= tile.last) return;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int of_row = key + 16 * m + 8 * half + lane / 4;
      const int first = of_row < tile.low ? tile.rows : of_row - tile.last;
#pragma unroll
      for (int n = 0; n < kN; ++n) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int query = 8 * n + 2 * (lane % 4) + i;
          if (query < first || query >= tile.rows) scores[m][n][2 * half + i] = -INFINITY;
        }
      }
    }
  }
}

template <typename S>
__device__ __forceinline__ void load_queries(const BackwardPass& pass, const QueryTileAt& tile,
                                             std::uint32_t shared, int q_stage, int d_o_stage,
                                             int thread) {
  const FlashAttentionBackward& call = pass.call;
  const std::int64_t column = std::int64_t{tile.head} * call.heads.head_dim;
  load_tile<S::kDim, S::kQueries, S::kThreads, S::kAccess>(
      shared + S::kQ + q_stage * S::kQueryBytes, call.q + tile.q_row * call.q_stride + column,
      call.q_stride, tile.rows, call.heads.head_dim, thread);
  load_tile<S::kDim, S::kQueries, S::kThreads, S::kAccess>(
      shared + S::kDO + d_o_stage * S::kQueryBytes,
      call.d_o + tile.q_row * call.d_o_stride + column, call.d_o_stride, tile.rows,
      call.heads.head_dim, thread);
  static_assert(S::kThreads >= 2 * S::kQueries, "one float for each thread");
  if (thread >= 2 * S::kQueries) return;
  const int i = thread % S::kQueries;
  const bool is_lse = thread < S::kQueries;
  const float* const from = (is_lse ? call.lse : pass.delta) + tile.head * call.q_rows + tile.q_row;
  const std::uint32_t to = shared + (is_lse ? S::kLse + d_o_stage * S::kRowFloatBytes
                                            : S::kDelta + q_stage * S::kRowFloatBytes);
  const bool inside = i < tile.rows;
  copy_4(to + 4 * i, from + i, inside ? Copy::data : Copy::zeros);
}

/// The first warp's round: P^T of a tile to `probabilities`, and dV += P^T dO.
template <typename S>
__device__ __forceinline__ void add_dv(float (&dv)[S::kM][S::kDim / 8][4],
                                       float (&scores)[S::kM][S::kQueries / 8][4],
                                       std::uint32_t k_address, std::uint32_t q_tile,
                                       std::uint32_t d_o_tile, std::uint32_t lse,
                                       std::uint32_t probabilities, const QueryTileAt& tile,
                                       int key, float scale_log2, int lane) {
  constexpr int kM = S::kM;
  set_zero(scores);
  multiply_rows<S::kDim>(scores, k_address, q_tile + lane_offset_cols<S::kDim>(lane));
  mask_scores(scores, tile, key, lane);
#pragma unroll
  for (int n = 0; n < S::kQueries / 8; n += 2) {
    std::uint32_t p[kM][4];
#pragma unroll
    for (int right = 0; right < 2; ++right) {
      float x;
      float y;
      load_shared(x, y, lse + 4 * (8 * (n + right) + 2 * (lane % 4)));
      x *= kLog2E;
      y *= kLog2E;
#pragma unroll
      for (int m = 0; m < kM; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float(&s)[4] = scores[m][n + right];
          p[m][2 * right + half] = pack_bf16(exp2_fast(fmaf(s[2 * half], scale_log2, -x)),
                                             exp2_fast(fmaf(s[2 * half + 1], scale_log2, -y)));
        }
      }
    }
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      store_shared(probabilities + 16 * (kLanes * (n / 2 * kM + m) + lane), p[m]);
    }
    multiply_cols<S::kDim>(dv, p,
                           d_o_tile + lane_offset_rows<S::kDim>(lane) + 8 * n * row_bytes(S::kDim));
  }
}

/// The second warp's round, first half: dS^T = P^T (dP^T - delta) of the tile before, and dK +=
/// dS^T Q.
template <typename S>
__device__ __forceinline__ void add_dk(float (&dk)[S::kM][S::kDim / 8][4],
                                       const float (&dp)[S::kM][S::kQueries / 8][4],
                                       std::uint32_t q_tile, std::uint32_t delta,
                                       std::uint32_t probabilities, int lane) {
  constexpr int kM = S::kM;
#pragma unroll
  for (int n = 0; n < S::kQueries / 8; n += 2) {
    std::uint32_t p[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      load_shared(p[m], probabilities + 16 * (kLanes * (n / 2 * kM + m) + lane));
    }
#pragma unroll
    for (int right = 0; right < 2; ++right) {
      float x;
      float y;
      load_shared(x, y, delta + 4 * (8 * (n + right) + 2 * (lane % 4)));
#pragma unroll
      for (int m = 0; m < kM; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float(&d)[4] = dp[m][n + right];
          std::uint32_t& pair = p[m][2 * right + half];
          pair = pack_bf16(low_of(pair) * (d[2 * half] - x), high_of(pair) * (d[2 * half + 1] - y));
        }
      }
    }
    multiply_cols<S::kDim>(dk, p,
                           q_tile + lane_offset_rows<S::kDim>(lane) + 8 * n * row_bytes(S::kDim));
  }
}

template <typename S>
__global__ __launch_bounds__(S::kThreads,
                             1) void dkv_kernel(const __grid_constant__ BackwardPass pass) {
  constexpr int kDim = S::kDim;
  const FlashAttentionBackward& call = pass.call;
  const int kv_heads = call.heads.num_kv_heads;
  const int part = static_cast<int>(blockIdx.x) % pass.parts;
  const int kv_head = static_cast<int>(blockIdx.x) / pass.parts % kv_heads;
  const int number = static_cast<int>(blockIdx.x) / pass.parts / kv_heads;
  const int block_number = number / S::kSubBlocks;
  const KeyBlock block = pass.plan.key_blocks[block_number];
  const int first_key = number % S::kSubBlocks * S::kKeys;  // within the block
  const int key_count = min(S::kKeys, block.count - first_key);
  if (key_count <= 0) return;
  const std::int64_t key_begin = block.begin + first_key;

  int thread = static_cast<int>(threadIdx.x);
  const std::uint32_t shared = shared_memory();
  const std::int64_t kv_column = std::int64_t{kv_head} * call.heads.head_dim;
  load_tile<kDim, S::kKeys, S::kThreads, S::kAccess>(
      shared, call.k + key_begin * call.k_stride + kv_column, call.k_stride, key_count,
      call.heads.head_dim, thread);
  load_tile<kDim, S::kKeys, S::kThreads, S::kAccess>(
      shared + S::kV, call.v + key_begin * call.v_stride + kv_column, call.v_stride, key_count,
      call.heads.head_dim, thread);

  __shared__ QueryWalk walk;
  __shared__ std::int64_t part_row;  // of the first key in the parts of dk and dv
  __shared__ QueryTileAt tiles[S::kQStages];
  if (threadIdx.x == 0) {
    walk.segment = pass.plan.segments + block.first_segment;
    walk.end_segment = walk.segment + block.segments;
    walk.key_begin = static_cast<int>(key_begin);
    walk.key_end = walk.key_begin + key_count;
    walk.kv_head = kv_head;
    walk.first_head = kv_head * pass.group + part * pass.group / pass.parts;
    walk.end_head = kv_head * pass.group + (part + 1) * pass.group / pass.parts;
    part_row =
        ((std::int64_t{part} * pass.key_blocks + block_number) * kv_heads + kv_head) * kKeyBlock +
        first_key;
    walk.next_segment();
    tiles[0] = walk.take(S::kQueries);
    tiles[1] = walk.take(S::kQueries);
  }
  __syncthreads();
  if (tiles[0].rows > 0) load_queries<S>(pass, tiles[0], shared, 0, 0, thread);
  copies_commit();

  const int warp = thread / kLanes;
  const int pair = warp % S::kPairs;
  const bool first_of_pair = warp < S::kPairs;
  const int pair_key = pair * S::kPairKeys;
  // The first warp's rows of K, or the second's of V.
  std::uint32_t key_address = shared + (first_of_pair ? 0 : S::kV) + pair_key * row_bytes(kDim) +
                              lane_offset_rows<kDim>(thread % kLanes);
  const std::uint32_t probabilities = shared + S::kProbabilities + pair * S::kPairProbabilityBytes;

  float sums[S::kM][kDim / 8][4];             // dV of the first warp, dK of the second
  float products[S::kM][S::kQueries / 8][4];  // scores of the first, dP of the second
  set_zero(sums);
  int q_stage = 0;
  int d_o_stage = 0;
  bool has_previous = false;
  while (true) {
    make_opaque(key_address);
    make_opaque(thread);
    const int lane = thread % kLanes;
    copies_wait<0>();
    __syncthreads();  // this round's tile is there, and everybody has done with the last round
    const int next_q_stage = q_stage + 1 == S::kQStages ? 0 : q_stage + 1;
    const int previous_q_stage = q_stage == 0 ? S::kQStages - 1 : q_stage - 1;
    if (tiles[next_q_stage].rows > 0 && tiles[q_stage].rows > 0) {
      load_queries<S>(pass, tiles[next_q_stage], shared, next_q_stage, d_o_stage ^ 1, thread);
    }
    copies_commit();
    // The one after the next: nobody reads the entry of the tile before this any more.
    if (threadIdx.x == 0) tiles[previous_q_stage] = walk.take(S::kQueries);
    __syncwarp();

    const QueryTileAt& tile = tiles[q_stage];
    const std::uint32_t d_o_tile = shared + S::kDO + d_o_stage * S::kQueryBytes;
    if (first_of_pair) {
      if (tile.rows > 0) {
        add_dv<S>(sums, products, key_address, shared + S::kQ + q_stage * S::kQueryBytes, d_o_tile,
                  shared + S::kLse + d_o_stage * S::kRowFloatBytes,
                  probabilities + d_o_stage * S::kProbabilityBytes, tile, pair_key, pass.scale_log2,
                  lane);
      }
    } else {
      if (has_previous) {
        add_dk<S>(sums, products, shared + S::kQ + previous_q_stage * S::kQueryBytes,
                  shared + S::kDelta + previous_q_stage * S::kRowFloatBytes,
                  probabilities + (d_o_stage ^ 1) * S::kProbabilityBytes, lane);
      }
      if (tile.rows > 0) {
        set_zero(products);
        multiply_rows<kDim>(products, key_address, d_o_tile + lane_offset_cols<kDim>(lane));
      }
    }
    if (tile.rows == 0) break;
    has_previous = true;
    q_stage = next_q_stage;
    d_o_stage ^= 1;
  }

  // From shared memory, to leave registers to the loop.
  const int rows = walk.key_end - walk.key_begin - pair_key;
  const int head_dim = call.heads.head_dim;
  const float scale = first_of_pair ? 1.0F : call.heads.scale;
  if (pass.parts > 1) {
    float* const to =
        (first_of_pair ? pass.dv_parts : pass.dk_parts) + (part_row + pair_key) * head_dim;
    write_rows<S::kAccess, FloatWrite::set>(sums, scale, to, head_dim, rows, head_dim);
    return;
  }
  const std::int64_t stride = first_of_pair ? call.dv_stride : call.dk_stride;
  void* const gradient = first_of_pair ? call.dv : call.dk;
  const std::int64_t at =
      (std::int64_t{walk.key_begin} + pair_key) * stride + std::int64_t{walk.kv_head} * head_dim;
  if (call.write_dkv == FlashAttentionWrite::overwrite_bf16) {
    store_rows<S::kAccess>(sums, scale, static_cast<__nv_bfloat16*>(gradient) + at, stride, rows,
                           head_dim);
  } else {
    write_rows<S::kAccess, FloatWrite::add>(sums, scale, static_cast<float*>(gradient) + at, stride,
                                            rows, head_dim);
  }
}

}  // namespace

void launch_backward_dkv(const BackwardPass& pass, Access access, cudaStream_t stream) {
  const AttentionHeads& heads = pass.call.heads;
  dispatch(heads.head_dim, access, [&]<int kDim, Access kAccess>() {
    using S = Shape<kDim, kAccess>;
    launch_kernel(&dkv_kernel<S>, pass,
                  pass.key_blocks * S::kSubBlocks * heads.num_kv_heads * pass.parts, S::kThreads,
                  S::kSharedBytes, stream, "flash_attention_backward dkv");
  });
}

}  // namespace longhaul::kernels::flash
