#pragma once

#include "core/error.h"
#include "core/tensor/matrix.h"

namespace longhaul {

/// Fails unless m is a matrix [rows, cols] of this type with a sensible stride. The message names
/// the op and the operand.
inline void check_view(const ConstMatrixView& m, DType dtype, std::int64_t rows, std::int64_t cols,
                       const char* op, const char* name) {
  LONGHAUL_CHECK(m.dtype == dtype, "{}: {} is {}, expected {}", op, name, name_of(m.dtype),
                 name_of(dtype));
  LONGHAUL_CHECK(m.rows == rows && m.cols == cols, "{}: {} is [{}, {}], expected [{}, {}]", op,
                 name, m.rows, m.cols, rows, cols);
  LONGHAUL_CHECK(m.stride >= m.cols, "{}: {} has stride {} for {} columns", op, name, m.stride,
                 m.cols);
  LONGHAUL_CHECK(m.data != nullptr || m.size() == 0, "{}: {} is null", op, name);
}

}  // namespace longhaul
