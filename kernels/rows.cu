#include <algorithm>
#include <vector>

#include "kernels/rows.h"
#include "kernels/support/row_copy.cuh"
#include "kernels/support/view_checks.cuh"

namespace longhaul::kernels {
namespace {

struct GatherPlaces {
  const std::int32_t* rows;
  __device__ __forceinline__ RowPlaces operator()(std::int64_t i) const { return {rows[i], i}; }
};

struct ScatterPlaces {
  const std::int32_t* rows;
  __device__ __forceinline__ RowPlaces operator()(std::int64_t i) const { return {i, rows[i]}; }
};

// Words that one block of reorder_chunks_kernel copies.
constexpr std::int64_t kPiece = kCopyThreads * kCopySteps;

/// Travels as a kernel parameter, of which there may be 4 KB: no copy to the device to wait for.
struct ChunkOrder {
  static constexpr std::int64_t kEntries = 960;
  std::int32_t to[kEntries];
};

/// Grid: (pieces of a chunk, chunks).
template <typename Word>
__global__ void __launch_bounds__(kCopyThreads)
    reorder_chunks_kernel(const Word* src, Word* dst, std::int64_t chunk_words,
                          const __grid_constant__ ChunkOrder order) {
  const std::int64_t from = blockIdx.y;
  const std::int64_t to = order.to[blockIdx.y];
  const std::int64_t first = blockIdx.x * kPiece;
  const auto words = static_cast<int>(chunk_words - first < kPiece ? chunk_words - first : kPiece);
  copy_words(src + from * chunk_words + first, dst + to * chunk_words + first, words,
             static_cast<int>(threadIdx.x), kCopyThreads);
}

void check_dtype(DType dtype, const char* op) {
  LONGHAUL_CHECK(dtype == DType::bf16 || dtype == DType::f32, "{}: no rows of {}", op,
                 name_of(dtype));
}

/// A duplicate or an entry out of range would write outside dst or leave parts of it as they were.
void check_permutation(std::span<const std::int32_t> order) {
  const auto chunks = static_cast<std::int64_t>(order.size());
  std::vector<bool> seen(order.size(), false);
  for (const std::int32_t to : order) {
    LONGHAUL_CHECK(to >= 0 && to < chunks && !seen[static_cast<std::size_t>(to)],
                   "reorder_chunks: the order of {} chunks is not a permutation", chunks);
    seen[static_cast<std::size_t>(to)] = true;
  }
}

}  // namespace

void gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst,
                 cudaStream_t stream) {
  check_dtype(dst.dtype, "gather_rows");
  check_view(src, dst.dtype, src.rows, dst.cols, "gather_rows", "src");
  check_view(dst, dst.dtype, dst.rows, dst.cols, "gather_rows", "dst");
  copy_rows(src, dst, dst.rows, GatherPlaces{rows}, "gather_rows", stream);
}

void scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst,
                  cudaStream_t stream) {
  check_dtype(dst.dtype, "scatter_rows");
  check_view(src, dst.dtype, src.rows, dst.cols, "scatter_rows", "src");
  check_view(dst, dst.dtype, dst.rows, dst.cols, "scatter_rows", "dst");
  copy_rows(src, dst, src.rows, ScatterPlaces{rows}, "scatter_rows", stream);
}

void reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order, MatrixView dst,
                    cudaStream_t stream) {
  const auto chunks = static_cast<std::int64_t>(order.size());
  check_dtype(dst.dtype, "reorder_chunks");
  check_view(src, dst.dtype, src.rows, src.cols, "reorder_chunks", "src");
  check_view(dst, dst.dtype, src.rows, src.cols, "reorder_chunks", "dst");
  LONGHAUL_CHECK(chunks > 0 && src.rows % chunks == 0 && src.contiguous() && dst.contiguous(),
                 "reorder_chunks: {} rows in {} chunks, strides {} and {} for {} columns", src.rows,
                 chunks, src.stride, dst.stride, src.cols);
  check_permutation(order);
  const std::int64_t chunk_bytes =
      src.size() / chunks * static_cast<std::int64_t>(size_of(src.dtype));
  if (chunk_bytes == 0) return;
  const int word_bytes = copy_word_bytes(reinterpret_cast<std::uintptr_t>(src.data) |
                                         reinterpret_cast<std::uintptr_t>(dst.data) |
                                         static_cast<std::uintptr_t>(chunk_bytes));
  with_copy_word(word_bytes, [&](auto word) {
    using Word = decltype(word);
    const std::int64_t chunk_words = chunk_bytes / word_bytes;
    for (std::int64_t first = 0; first < chunks; first += ChunkOrder::kEntries) {
      const std::int64_t count = std::min(ChunkOrder::kEntries, chunks - first);
      ChunkOrder part{};
      std::copy_n(order.begin() + first, count, part.to);
      const dim3 grid(static_cast<unsigned>(ceil_div(chunk_words, kPiece)),
                      static_cast<unsigned>(count));
      reorder_chunks_kernel<<<grid, kCopyThreads, 0, stream>>>(src.as<Word>() + first * chunk_words,
                                                               dst.as<Word>(), chunk_words, part);
      LONGHAUL_CUDA_CHECK_LAUNCH("reorder_chunks");
    }
  });
}

}  // namespace longhaul::kernels
