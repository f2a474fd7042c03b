#include "checkpoint/tensor_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "core/error.h"
#include "core/tensor/convert.h"

namespace longhaul {
namespace {

template <typename T>
std::vector<double> widen(const std::byte* data, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  if (count > 0) std::memcpy(values.data(), data, values.size() * sizeof(T));
  return {values.begin(), values.end()};
}

/// The elements as numbers.
std::vector<double> to_doubles(DType dtype, const std::byte* data, std::int64_t count) {
  switch (dtype) {
    case DType::f64:
      return widen<double>(data, count);
    case DType::i64:
      return widen<std::int64_t>(data, count);
    case DType::i32:
      return widen<std::int32_t>(data, count);
    case DType::u8:
      return widen<std::uint8_t>(data, count);
    case DType::f32:
    case DType::bf16:
    case DType::f16:
      break;
  }
  std::vector<float> floats(static_cast<std::size_t>(count));
  convert_values(data, dtype, floats.data(), DType::f32, count);
  return {floats.begin(), floats.end()};
}

/// Cuts a tensor into slices of whole rows, of about a million elements.
void for_each_block(const CheckpointTensor& tensor,
                    const std::function<void(const TensorSlice& block)>& use) {
  constexpr std::int64_t kElements = std::int64_t{1} << 20;
  const TensorSlice whole = whole_tensor(tensor.shape);
  const std::int64_t step =
      std::max<std::int64_t>(kElements / std::max<std::int64_t>(whole.cols, 1), 1);
  for (std::int64_t row = 0; row < whole.rows; row += step) {
    use({row, 0, std::min(step, whole.rows - row), whole.cols});
  }
}

}  // namespace

std::int64_t element_count(const CheckpointTensor& tensor) {
  return whole_tensor(tensor.shape).size();
}

std::vector<double> read_values(const CheckpointReader& reader, const CheckpointTensor& tensor,
                                const TensorSlice& slice) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(slice.size()) * size_of(tensor.dtype));
  reader.read(tensor.path, slice, bytes.data(), slice.cols);
  return to_doubles(tensor.dtype, bytes.data(), slice.size());
}

TensorSummary summarize(const CheckpointReader& reader, const CheckpointTensor& tensor) {
  TensorSummary summary;
  double squares = 0;
  for_each_block(tensor, [&](const TensorSlice& block) {
    for (const double value : read_values(reader, tensor, block)) {
      if (std::isfinite(value)) {
        squares += value * value;
      } else {
        ++summary.nonfinite;
      }
    }
  });
  summary.norm = std::sqrt(squares);
  return summary;
}

}  // namespace longhaul
