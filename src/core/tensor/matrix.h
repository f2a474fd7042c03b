#pragma once

#include <cstddef>
#include <cstdint>

#include "core/tensor/dtype.h"

namespace longhaul {

/// A row-major matrix in host or device memory that someone else owns. Element (r, c) is at
/// data + (r * stride + c) elements.
struct MatrixView {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;  // elements between the starts of two rows, >= cols

  MatrixView() = default;
  MatrixView(void* data, DType dtype, std::int64_t rows, std::int64_t cols)
      : MatrixView(data, dtype, rows, cols, cols) {}
  MatrixView(void* data, DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t stride)
      : data(data), dtype(dtype), rows(rows), cols(cols), stride(stride) {}

  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data);
  }
  [[nodiscard]] std::int64_t size() const { return rows * cols; }
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>(size()) * size_of(dtype);
  }
  [[nodiscard]] bool contiguous() const { return stride == cols || rows <= 1; }

  [[nodiscard]] MatrixView row_range(std::int64_t begin, std::int64_t count) const {
    return {
        static_cast<std::byte*>(data) + begin * stride * static_cast<std::int64_t>(size_of(dtype)),
        dtype, count, cols, stride};
  }
  [[nodiscard]] MatrixView col_range(std::int64_t begin, std::int64_t count) const {
    return {static_cast<std::byte*>(data) + begin * static_cast<std::int64_t>(size_of(dtype)),
            dtype, rows, count, stride};
  }
};

/// The read-only form of MatrixView.
struct ConstMatrixView {
  const void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  ConstMatrixView() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a mutable view is a read-only view
  ConstMatrixView(const MatrixView& m)
      : data(m.data), dtype(m.dtype), rows(m.rows), cols(m.cols), stride(m.stride) {}
  ConstMatrixView(const void* data, DType dtype, std::int64_t rows, std::int64_t cols)
      : data(data), dtype(dtype), rows(rows), cols(cols), stride(cols) {}
  ConstMatrixView(const void* data, DType dtype, std::int64_t rows, std::int64_t cols,
                  std::int64_t stride)
      : data(data), dtype(dtype), rows(rows), cols(cols), stride(stride) {}

  template <typename T>
  [[nodiscard]] const T* as() const {
    return static_cast<const T*>(data);
  }
  [[nodiscard]] std::int64_t size() const { return rows * cols; }
  [[nodiscard]] bool contiguous() const { return stride == cols || rows <= 1; }
  [[nodiscard]] ConstMatrixView row_range(std::int64_t begin, std::int64_t count) const {
    return {static_cast<const std::byte*>(data) +
                begin * stride * static_cast<std::int64_t>(size_of(dtype)),
            dtype, count, cols, stride};
  }
  [[nodiscard]] ConstMatrixView col_range(std::int64_t begin, std::int64_t count) const {
    return {static_cast<const std::byte*>(data) + begin * static_cast<std::int64_t>(size_of(dtype)),
            dtype, rows, count, stride};
  }
};

}  // namespace longhaul
