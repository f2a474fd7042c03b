#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace longhaul {

/// A part of a tensor of one or two dimensions: `rows` rows from `row` on, `cols` columns from
/// `col` on. A tensor of one dimension is a single column.
struct TensorSlice {
  std::int64_t row = 0;
  std::int64_t col = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  [[nodiscard]] std::int64_t size() const { return rows * cols; }
  [[nodiscard]] bool operator==(const TensorSlice&) const = default;
};

/// The slice that is the whole tensor. shape: [rows] or [rows, cols].
TensorSlice whole_tensor(const std::vector<std::int64_t>& shape);
/// What two slices have in common; of size 0 when that is nothing.
TensorSlice intersect(const TensorSlice& a, const TensorSlice& b);
/// Does the slice lie within a tensor of this shape? An empty one may lie at its end.
bool lies_within(const TensorSlice& slice, const std::vector<std::int64_t>& shape);

/// The same in as many numbers as the tensor has dimensions: where the slice begins, and its shape.
std::vector<std::int64_t> offset_of(const TensorSlice& slice, std::size_t dimensions);
std::vector<std::int64_t> extent_of(const TensorSlice& slice, std::size_t dimensions);

/// "rows 128..255, columns 0..63", or "elements 0..63" of a tensor of one dimension.
std::string describe(const TensorSlice& slice, std::size_t dimensions);

}  // namespace longhaul
