#pragma once

#include "core/error.h"
#include "core/tensor/matrix.h"
#include "core/tensor/view_checks.h"

namespace longhaul::kernels {

using longhaul::check_view;

/// Columns of each of `groups` equal parts of a row.
inline std::int64_t check_groups(std::int64_t cols, int groups, const char* op) {
  LONGHAUL_CHECK(groups > 0 && cols % groups == 0, "{}: {} columns in {} groups", op, cols, groups);
  return cols / groups;
}

inline void check_scratch(const void* scratch, std::size_t bytes, std::size_t needed,
                          const char* op) {
  LONGHAUL_CHECK(bytes >= needed && reinterpret_cast<std::uintptr_t>(scratch) % 16 == 0,
                 "{}: {} bytes of scratch at {}, needs {} at a multiple of 16", op, bytes, scratch,
                 needed);
}

/// Can every row of m be read `width` elements at a time?
inline bool is_aligned(const ConstMatrixView& m, std::int64_t width) {
  const std::size_t bytes = static_cast<std::size_t>(width) * size_of(m.dtype);
  return reinterpret_cast<std::uintptr_t>(m.data) % bytes == 0 &&
         (m.rows <= 1 || m.stride % width == 0);
}

}  // namespace longhaul::kernels
