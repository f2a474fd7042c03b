#include <algorithm>

#include "compute/cpu/checks.h"
#include "compute/cpu/cpu_ops.h"
#include "compute/cpu/parallel.h"

namespace longhaul::cpu {

void CpuOps::rope(MatrixView x, int heads, const std::int32_t* positions, const RopeTable& table,
                  RopeDirection direction) {
  check_matrix(x, x.rows, x.cols, "rope", "x");
  LONGHAUL_CHECK(heads > 0 && x.cols % (2 * heads) == 0, "rope: {} columns in {} heads", x.cols,
                 heads);
  if (x.rows == 0) return;
  const auto [low, high] = std::minmax_element(positions, positions + x.rows);
  LONGHAUL_CHECK(*low >= 0 && *high < table.max_position,
                 "rope: positions {} to {}, but the table has {}", *low, *high, table.max_position);
  const std::int64_t half = x.cols / heads / 2;
  // The rotation is orthogonal, so its backward is the rotation by the opposite angle.
  const float sign = direction == RopeDirection::forward ? 1.0F : -1.0F;
  parallel_rows(threads_, x.rows, x.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t at = positions[row] * half;
      kernels_.rope(row_of(x, row), heads, half, table.cos + at, table.sin + at, sign);
    }
  });
}

void CpuOps::head_norm_rope_forward(ConstMatrixView x, int heads, const void* weight, float epsilon,
                                    const std::int32_t* positions, const RopeTable& table,
                                    MatrixView y, float* inv_rms) {
  rms_norm_forward(x, heads, weight, epsilon, y, inv_rms);
  rope(y, heads, positions, table, RopeDirection::forward);
}

void CpuOps::head_norm_rope_backward(MatrixView dy, ConstMatrixView x, int heads,
                                     const void* weight, const float* inv_rms,
                                     const std::int32_t* positions, const RopeTable& table,
                                     float* dweight) {
  rope(dy, heads, positions, table, RopeDirection::backward);
  rms_norm_backward(dy, x, heads, weight, inv_rms, dy, AccumulateMode::overwrite, dweight);
}

}  // namespace longhaul::cpu
