#pragma once

// Copies of rows of any element type, in the widest words that all addresses allow.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

#include "core/cuda_check.h"
#include "core/tensor/matrix.h"
#include "kernels/support/launch_shape.cuh"

namespace longhaul::kernels {

inline constexpr int kCopyThreads = 256;
inline constexpr int kCopySteps = 4;  // words in flight in a thread

/// Bytes of the words that addresses, strides and lengths (in bytes, or'ed together) are all
/// multiples of: 16, 4 or 2.
inline int copy_word_bytes(std::uintptr_t all) {
  if (all % 16 == 0) return 16;
  return all % 4 == 0 ? 4 : 2;
}

/// Calls run(word) with an object of the type of `bytes` bytes.
template <typename Run>
void with_copy_word(int bytes, const Run& run) {
  switch (bytes) {
    case 16:
      return run(uint4{});
    case 4:
      return run(std::uint32_t{});
    default:
      return run(std::uint16_t{});
  }
}

/// words [words] -> to, by `lanes` threads of which this one is number `lane`.
template <typename Word>
__device__ __forceinline__ void copy_words(const Word* __restrict__ from, Word* __restrict__ to,
                                           int words, int lane, int lanes) {
#pragma unroll 1
  for (int first = lane; first < words; first += kCopySteps * lanes) {
    Word values[kCopySteps];
#pragma unroll
    for (int step = 0; step < kCopySteps; ++step) {
      if (first + step * lanes < words) values[step] = from[first + step * lanes];
    }
#pragma unroll
    for (int step = 0; step < kCopySteps; ++step) {
      if (first + step * lanes < words) to[first + step * lanes] = values[step];
    }
  }
}

/// Which row goes where; from < 0: the row becomes zero.
struct RowPlaces {
  std::int64_t from;
  std::int64_t to;
};

/// Strides in words.
template <typename Word>
struct RowCopy {
  const Word* src;
  std::int64_t src_stride;
  Word* dst;
  std::int64_t dst_stride;
  std::int64_t rows;
  int words;  // of a row
};

/// A row is copied by blockDim.x threads; a block has blockDim.y of them.
template <typename Word, typename Places>
__global__ void __launch_bounds__(kCopyThreads)
    copy_rows_kernel(RowCopy<Word> copy, Places places) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= copy.rows) return;
  const auto lane = static_cast<int>(threadIdx.x);
  const auto lanes = static_cast<int>(blockDim.x);
  const RowPlaces at = places(row);
  Word* const to = copy.dst + at.to * copy.dst_stride;
  if (at.from >= 0) {
    copy_words(copy.src + at.from * copy.src_stride, to, copy.words, lane, lanes);
  } else {
#pragma unroll 1
    for (int i = lane; i < copy.words; i += lanes) to[i] = Word{};
  }
}

/// For each row < `rows`: places(row) says which row of src goes to which row of dst, of the same
/// dtype and columns. Places: a functor for the device, passed by value.
template <typename Places>
void copy_rows(const ConstMatrixView& src, const MatrixView& dst, std::int64_t rows, Places places,
               const char* op, cudaStream_t stream) {
  if (rows == 0 || dst.cols == 0) return;
  const auto element = static_cast<std::int64_t>(size_of(dst.dtype));
  const int word_bytes = copy_word_bytes(
      reinterpret_cast<std::uintptr_t>(src.data) | reinterpret_cast<std::uintptr_t>(dst.data) |
      static_cast<std::uintptr_t>((src.stride | dst.stride | dst.cols) * element));
  with_copy_word(word_bytes, [&](auto word) {
    using Word = decltype(word);
    const std::int64_t words_per_row = dst.cols * element / word_bytes;
    LONGHAUL_CHECK(words_per_row < std::int64_t{1} << 30, "{}: {} columns", op, dst.cols);
    const RowCopy<Word> copy{src.as<Word>(), src.stride * element / word_bytes,
                             dst.as<Word>(), dst.stride * element / word_bytes,
                             rows,           static_cast<int>(words_per_row)};
    // As many threads a row as find work for all their steps, so that short rows share a block.
    int lanes = 32;
    while (lanes < kCopyThreads && lanes * kCopySteps < words_per_row) lanes *= 2;
    const dim3 block(static_cast<unsigned>(lanes), static_cast<unsigned>(kCopyThreads / lanes));
    copy_rows_kernel<<<static_cast<unsigned>(ceil_div(rows, block.y)), block, 0, stream>>>(copy,
                                                                                           places);
  });
  LONGHAUL_CUDA_CHECK_LAUNCH(op);
}

}  // namespace longhaul::kernels
