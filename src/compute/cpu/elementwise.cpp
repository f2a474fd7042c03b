#include <cstring>

#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {

void CpuOps::add(ConstMatrixView x, MatrixView y) {
  check_matrix(x, y.rows, y.cols, "add", "x");
  check_matrix(y, y.rows, y.cols, "add", "y");
  parallel_rows(threads_, y.rows, y.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      kernels_.add(row_of(x, row), row_of(y, row), y.cols);
    }
  });
}

void CpuOps::convert(ConstMatrixView src, MatrixView dst) {
  check_matrix(src, dst.rows, dst.cols, "convert", "src");
  check_matrix(dst, dst.rows, dst.cols, "convert", "dst");
  if (src.data == dst.data && src.stride == dst.stride) return;
  parallel_rows(threads_, dst.rows, dst.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::memcpy(row_of(dst, row), row_of(src, row),
                  static_cast<std::size_t>(dst.cols) * sizeof(float));
    }
  });
}

void CpuOps::accumulate(const float* src, float* dst, std::int64_t count) {
  parallel_rows(threads_, count, 1, [&](std::int64_t begin, std::int64_t end) {
    kernels_.add(src + begin, dst + begin, end - begin);
  });
}

void CpuOps::sum_of_squares(const float* x, std::int64_t count, double* result) {
  // A fixed number of parts, so that the sum does not depend on the number of threads.
  constexpr int kParts = 64;
  double partial[kParts] = {};
  const int threads = count < kSerialWork ? 1 : threads_;
  parallel_parts(threads, kParts, count, [&](int part, std::int64_t begin, std::int64_t end) {
    partial[part] = kernels_.sum_of_squares(x + begin, end - begin);
  });
  double sum = 0.0;
  for (const double p : partial) sum += p;
  *result += sum;
}

}  // namespace longhaul::cpu
