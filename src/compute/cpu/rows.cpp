#include <cstring>
#include <vector>

#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {

void CpuOps::gather_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) {
  check_matrix(src, src.rows, src.cols, "gather_rows", "src");
  check_matrix(dst, dst.rows, src.cols, "gather_rows", "dst");
  const std::size_t row_bytes = static_cast<std::size_t>(dst.cols) * sizeof(float);
  for (std::int64_t i = 0; i < dst.rows; ++i) {
    LONGHAUL_CHECK(rows[i] >= 0 && rows[i] < src.rows, "gather_rows: row {} of {}", rows[i],
                   src.rows);
  }
  parallel_rows(threads_, dst.rows, dst.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::memcpy(row_of(dst, i), row_of(src, rows[i]), row_bytes);
    }
  });
}

void CpuOps::scatter_rows(ConstMatrixView src, const std::int32_t* rows, MatrixView dst) {
  check_matrix(src, src.rows, src.cols, "scatter_rows", "src");
  check_matrix(dst, dst.rows, src.cols, "scatter_rows", "dst");
  const std::size_t row_bytes = static_cast<std::size_t>(src.cols) * sizeof(float);
  for (std::int64_t i = 0; i < src.rows; ++i) {
    LONGHAUL_CHECK(rows[i] >= 0 && rows[i] < dst.rows, "scatter_rows: row {} of {}", rows[i],
                   dst.rows);
  }
  parallel_rows(threads_, src.rows, src.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::memcpy(row_of(dst, rows[i]), row_of(src, i), row_bytes);
    }
  });
}

void CpuOps::reorder_chunks(ConstMatrixView src, std::span<const std::int32_t> order,
                            MatrixView dst) {
  const auto chunks = static_cast<std::int64_t>(order.size());
  check_matrix(src, src.rows, src.cols, "reorder_chunks", "src");
  check_matrix(dst, src.rows, src.cols, "reorder_chunks", "dst");
  LONGHAUL_CHECK(chunks > 0 && src.rows % chunks == 0 && src.contiguous() && dst.contiguous(),
                 "reorder_chunks: {} rows in {} chunks, strides {} and {} for {} columns", src.rows,
                 chunks, src.stride, dst.stride, src.cols);
  std::vector<bool> seen(order.size(), false);
  for (const std::int32_t to : order) {
    LONGHAUL_CHECK(to >= 0 && to < chunks && !seen[static_cast<std::size_t>(to)],
                   "reorder_chunks: the order of {} chunks is not a permutation", chunks);
    seen[static_cast<std::size_t>(to)] = true;
  }
  const std::int64_t chunk_size = src.size() / chunks;
  for (std::int64_t i = 0; i < chunks; ++i) {
    parallel_copy(threads_, dst.as<float>() + order[static_cast<std::size_t>(i)] * chunk_size,
                  src.as<float>() + i * chunk_size,
                  static_cast<std::size_t>(chunk_size) * sizeof(float));
  }
}

}  // namespace longhaul::cpu
