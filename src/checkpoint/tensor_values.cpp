#include "checkpoint/tensor_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "core/convert.h"
#include "core/error.h"

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

/// Cuts a tensor into rectangles of about a million elements: whole rows, or parts of a vector.
void for_each_block(const CheckpointTensor& tensor,
                    const std::function<void(std::vector<std::int64_t> offset,
                                             std::vector<std::int64_t> extent)>& use) {
  constexpr std::int64_t kElements = std::int64_t{1} << 20;
  const std::int64_t row =
      tensor.shape.size() == 1 ? 1 : std::max<std::int64_t>(tensor.shape[1], 1);
  const std::int64_t step = std::max<std::int64_t>(kElements / row, 1);
  for (std::int64_t at = 0; at < tensor.shape[0]; at += step) {
    std::vector<std::int64_t> offset(tensor.shape.size(), 0);
    std::vector<std::int64_t> extent = tensor.shape;
    offset[0] = at;
    extent[0] = std::min(step, tensor.shape[0] - at);
    use(std::move(offset), std::move(extent));
  }
}

}  // namespace

std::int64_t element_count(const CheckpointTensor& tensor) {
  return std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1},
                         std::multiplies<>());
}

std::vector<double> read_values(const CheckpointReader& reader, const CheckpointTensor& tensor,
                                const std::vector<std::int64_t>& offset,
                                const std::vector<std::int64_t>& extent) {
  const std::int64_t count =
      std::accumulate(extent.begin(), extent.end(), std::int64_t{1}, std::multiplies<>());
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * size_of(tensor.dtype));
  reader.read(tensor.path, offset, extent, bytes.data(), extent.back());
  return to_doubles(tensor.dtype, bytes.data(), count);
}

TensorSummary summarize(const CheckpointReader& reader, const CheckpointTensor& tensor) {
  TensorSummary summary;
  double squares = 0;
  for_each_block(tensor, [&](std::vector<std::int64_t> offset, std::vector<std::int64_t> extent) {
    for (const double value : read_values(reader, tensor, offset, extent)) {
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
