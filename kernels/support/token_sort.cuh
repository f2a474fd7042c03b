#pragma once

// Brings the tokens with the same id together, in their order: a stable counting sort, kDigitBits
// of the id a pass. Linear in the number of tokens, whatever the ids are.
//
// Each pass is two launches over tiles of kTileTokens. The first counts the digits of every tile.
// In the second, each block finds from all counts where its tile's tokens of each digit begin, and
// puts them there, warp after warp, in their order.

#include <cuda_runtime_api.h>

#include <bit>
#include <cstdint>
#include <utility>

#include "core/cuda_check.h"
#include "kernels/support/launch_shape.cuh"
#include "kernels/support/reduce.cuh"

namespace longhaul::kernels {

/// A token's row in the stream and its id relative to the table; table_rows when it is not there.
struct Token {
  std::int32_t id;
  std::int32_t row;
};

namespace token_sort {

constexpr int kDigitBits = 9;
constexpr int kDigits = 1 << kDigitBits;
constexpr int kThreads = kDigits / 2;  // each looks after two digits
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kSteps = 8;                        // tokens of a thread
constexpr int kWarpTokens = kSteps * kWarpSize;  // consecutive
constexpr std::int64_t kTileTokens = kWarps * kWarpTokens;
constexpr unsigned kFullWarp = 0xffffffffU;

/// Where a pass reads: the ids of the stream, or what the pass before it wrote.
struct Source {
  const std::int32_t* ids;  // [count]
  const Token* tokens;      // [count], or null: take the ids
  std::int64_t vocab_begin;
  std::int32_t table_rows;
  std::int32_t count;
  int shift;  // of the digit in the id

  [[nodiscard]] __device__ __forceinline__ Token token(int i) const {
    if (tokens != nullptr) return tokens[i];
    const std::int64_t id = ids[i] - vocab_begin;
    return {id >= 0 && id < table_rows ? static_cast<std::int32_t>(id) : table_rows, i};
  }
  [[nodiscard]] __device__ __forceinline__ int digit(const Token& token) const {
    return token.id >> shift & (kDigits - 1);
  }
};

/// A thread's tokens: one of each of its warp's steps. All are asked for before the first is used.
struct WarpTokens {
  Token tokens[kSteps];
  int digits[kSteps];  // kDigits: there is no token

  __device__ __forceinline__ explicit WarpTokens(const Source& source) {
    const auto first = static_cast<int>(
        blockIdx.x * kTileTokens + threadIdx.x / kWarpSize * kWarpTokens + threadIdx.x % kWarpSize);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int i = first + step * kWarpSize;
      tokens[step] = i < source.count ? source.token(i) : Token{};
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const bool there = first + step * kWarpSize < source.count;
      digits[step] = there ? source.digit(tokens[step]) : kDigits;
    }
  }
};

/// The lanes of a warp that have the same digit.
struct Peers {
  unsigned lanes;
  int rank;  // how many of them come before this one

  __device__ __forceinline__ explicit Peers(int digit) {
    lanes = __match_any_sync(kFullWarp, digit);
    rank = __popc(lanes & ((1U << threadIdx.x % kWarpSize) - 1U));
  }
  [[nodiscard]] __device__ __forceinline__ int count() const { return __popc(lanes); }
};

/// counts [tiles, kDigits], overwritten. One block a tile.
static __global__ void __launch_bounds__(kThreads)
    count_digits_kernel(Source source, std::int32_t* counts) {
  __shared__ int bins[kDigits];
  for (int d = static_cast<int>(threadIdx.x); d < kDigits; d += kThreads) bins[d] = 0;
  __syncthreads();
  const WarpTokens mine(source);
#pragma unroll
  for (const int digit : mine.digits) {
    const Peers peers(digit);
    if (digit < kDigits && peers.rank == 0) atomicAdd(&bins[digit], peers.count());
  }
  __syncthreads();
  for (int d = static_cast<int>(threadIdx.x); d < kDigits; d += kThreads) {
    counts[static_cast<std::int64_t>(blockIdx.x) * kDigits + d] = bins[d];
  }
}

/// The sum of `value` over the threads before this one, of the whole block.
__device__ __forceinline__ int sum_before(int value) {
  __shared__ int warp_sums[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  int sum = value;
#pragma unroll
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const int other = __shfl_up_sync(kFullWarp, sum, distance);
    if (lane >= distance) sum += other;
  }
  if (lane == kWarpSize - 1) warp_sums[warp] = sum;
  __syncthreads();
  int before = sum - value;
  for (int w = 0; w < warp; ++w) before += warp_sums[w];
  return before;
}

/// counts [tiles, kDigits] -> sorted [count], overwritten. One block a tile.
static __global__ void __launch_bounds__(kThreads)
    place_tokens_kernel(Source source, const std::int32_t* counts, Token* sorted) {
  // First how many tokens of each digit a warp has, then where its next one goes.
  __shared__ int2 places[kWarps][kDigits / 2];
  const auto thread = static_cast<int>(threadIdx.x);
  int* const warp_places = &places[thread / kWarpSize][0].x;
  for (int w = 0; w < kWarps; ++w) places[w][thread] = {0, 0};
  const WarpTokens mine(source);
  __syncthreads();
#pragma unroll
  for (const int digit : mine.digits) {
    const Peers peers(digit);
    if (digit < kDigits && peers.rank == 0) warp_places[digit] += peers.count();
    __syncwarp();
  }

  int2 before = {0, 0};  // of this thread's two digits, in earlier tiles
  int2 total = {0, 0};
  const int2* const column = reinterpret_cast<const int2*>(counts) + thread;
#pragma unroll 8
  for (unsigned tile = 0; tile < gridDim.x; ++tile) {
    const int2 count = column[static_cast<std::int64_t>(tile) * kThreads];
    if (tile < blockIdx.x) {
      before.x += count.x;
      before.y += count.y;
    }
    total.x += count.x;
    total.y += count.y;
  }
  const int smaller = sum_before(total.x + total.y);  // its barrier also ends the counting above
  int2 place = {smaller + before.x, smaller + total.x + before.y};
  for (int w = 0; w < kWarps; ++w) {
    const int2 count = places[w][thread];
    places[w][thread] = place;
    place.x += count.x;
    place.y += count.y;
  }
  __syncthreads();

#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int digit = mine.digits[step];
    const Peers peers(digit);
    if (digit < kDigits) sorted[warp_places[digit] + peers.rank] = mine.tokens[step];
    __syncwarp();
    if (digit < kDigits && peers.rank == 0) warp_places[digit] += peers.count();
    __syncwarp();
  }
}

inline std::int64_t tiles(std::int64_t tokens) { return ceil_div(tokens, kTileTokens); }

}  // namespace token_sort

/// Bytes of the digit counts that sort_tokens() needs: about 1 a token.
inline std::int64_t sort_count_bytes(std::int64_t tokens) {
  return token_sort::tiles(tokens) * token_sort::kDigits *
         static_cast<std::int64_t>(sizeof(std::int32_t));
}

/// ids [tokens] int32 -> `sorted` [tokens], overwritten: by id, equal ids in row order, those
/// outside the table's rows vocab_begin .. vocab_begin + table_rows - 1 last. other [tokens] and
/// counts (sort_count_bytes) are overwritten too.
inline void sort_tokens(const std::int32_t* ids, std::int64_t tokens, std::int64_t vocab_begin,
                        std::int64_t table_rows, Token* sorted, Token* other, std::int32_t* counts,
                        cudaStream_t stream) {
  const int bits = std::bit_width(static_cast<std::uint64_t>(table_rows));
  const int passes = (bits + token_sort::kDigitBits - 1) / token_sort::kDigitBits;
  const auto grid = static_cast<unsigned>(token_sort::tiles(tokens));
  token_sort::Source source{ids,
                            nullptr,
                            vocab_begin,
                            static_cast<std::int32_t>(table_rows),
                            static_cast<std::int32_t>(tokens),
                            0};
  // The last pass has to end in `sorted`.
  Token* to = passes % 2 == 1 ? sorted : other;
  Token* next = passes % 2 == 1 ? other : sorted;
  for (int pass = 0; pass < passes; ++pass) {
    source.shift = pass * token_sort::kDigitBits;
    token_sort::count_digits_kernel<<<grid, token_sort::kThreads, 0, stream>>>(source, counts);
    LONGHAUL_CUDA_CHECK_LAUNCH("embedding_backward: count ids");
    token_sort::place_tokens_kernel<<<grid, token_sort::kThreads, 0, stream>>>(source, counts, to);
    LONGHAUL_CUDA_CHECK_LAUNCH("embedding_backward: sort ids");
    source.tokens = to;
    std::swap(to, next);
  }
}

}  // namespace longhaul::kernels
