#pragma once

#include "core/error.h"
#include "core/tensor/matrix.h"
#include "core/tensor/view_checks.h"

namespace longhaul::cpu {

/// Fails unless m is an fp32 matrix [rows, cols] with a sensible stride: the CPU backend computes
/// in fp32.
inline void check_matrix(const ConstMatrixView& m, std::int64_t rows, std::int64_t cols,
                         const char* op, const char* name) {
  check_view(m, DType::f32, rows, cols, op, name);
}

inline const float* row_of(const ConstMatrixView& m, std::int64_t row) {
  return m.as<float>() + row * m.stride;
}
inline float* row_of(const MatrixView& m, std::int64_t row) {
  return m.as<float>() + row * m.stride;
}

}  // namespace longhaul::cpu
