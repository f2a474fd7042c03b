#include "core/tensor/tensor_slice.h"

#include <algorithm>

#include "core/error.h"

namespace longhaul {
namespace {

void check_dimensions(std::size_t dimensions) {
  LONGHAUL_CHECK(dimensions == 1 || dimensions == 2, "a tensor of {} dimensions", dimensions);
}

std::vector<std::int64_t> numbers(std::int64_t first, std::int64_t second, std::size_t dimensions) {
  check_dimensions(dimensions);
  return dimensions == 1 ? std::vector{first} : std::vector{first, second};
}

}  // namespace

TensorSlice whole_tensor(const std::vector<std::int64_t>& shape) {
  check_dimensions(shape.size());
  return {0, 0, shape[0], shape.size() == 2 ? shape[1] : 1};
}

TensorSlice intersect(const TensorSlice& a, const TensorSlice& b) {
  const std::int64_t row = std::max(a.row, b.row);
  const std::int64_t col = std::max(a.col, b.col);
  const std::int64_t row_end = std::min(a.row + a.rows, b.row + b.rows);
  const std::int64_t col_end = std::min(a.col + a.cols, b.col + b.cols);
  return {row, col, std::max<std::int64_t>(row_end - row, 0),
          std::max<std::int64_t>(col_end - col, 0)};
}

bool lies_within(const TensorSlice& slice, const std::vector<std::int64_t>& shape) {
  const TensorSlice whole = whole_tensor(shape);
  return slice.row >= 0 && slice.col >= 0 && slice.rows >= 0 && slice.cols >= 0 &&
         slice.rows <= whole.rows && slice.cols <= whole.cols &&
         slice.row <= whole.rows - slice.rows && slice.col <= whole.cols - slice.cols;
}

std::vector<std::int64_t> offset_of(const TensorSlice& slice, std::size_t dimensions) {
  return numbers(slice.row, slice.col, dimensions);
}

std::vector<std::int64_t> extent_of(const TensorSlice& slice, std::size_t dimensions) {
  return numbers(slice.rows, slice.cols, dimensions);
}

std::string describe(const TensorSlice& slice, std::size_t dimensions) {
  const std::int64_t last_row = slice.row + slice.rows - 1;
  if (dimensions == 1) return fmt::format("elements {}..{}", slice.row, last_row);
  return fmt::format("rows {}..{}, columns {}..{}", slice.row, last_row, slice.col,
                     slice.col + slice.cols - 1);
}

}  // namespace longhaul
