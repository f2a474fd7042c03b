#pragma once

#include "core/error.h"
#include "core/tensor/matrix.h"

namespace longhaul::cpu {

/// Fails unless m is an fp32 matrix [rows, cols] with a sensible stride.
inline void check_matrix(const ConstMatrixView& m, std::int64_t rows, std::int64_t cols,
                         const char* op, const char* name) {
  LONGHAUL_CHECK(m.dtype == DType::f32, "{}: {} is {}, but the CPU backend computes in float32", op,
                 name, name_of(m.dtype));
  LONGHAUL_CHECK(m.rows == rows && m.cols == cols, "{}: {} is [{}, {}], expected [{}, {}]", op,
                 name, m.rows, m.cols, rows, cols);
  LONGHAUL_CHECK(m.stride >= m.cols, "{}: {} has stride {} for {} columns", op, name, m.stride,
                 m.cols);
  LONGHAUL_CHECK(m.data != nullptr || m.size() == 0, "{}: {} is null", op, name);
}

inline const float* row_of(const ConstMatrixView& m, std::int64_t row) {
  return m.as<float>() + row * m.stride;
}
inline float* row_of(const MatrixView& m, std::int64_t row) {
  return m.as<float>() + row * m.stride;
}

}  // namespace longhaul::cpu
