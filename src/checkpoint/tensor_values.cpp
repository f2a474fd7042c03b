#include "checkpoint/tensor_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "core/error.h"
#include "core/float_formats.h"

namespace longhaul {
namespace {

template <typename T>
T load(const std::byte* data, std::int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

double element_at(DType dtype, const std::byte* data, std::int64_t index) {
  switch (dtype) {
    case DType::f64:
      return load<double>(data, index);
    case DType::f32:
      return load<float>(data, index);
    case DType::bf16:
      return bf16_to_f32(load<std::uint16_t>(data, index));
    case DType::f16:
      return f16_to_f32(load<std::uint16_t>(data, index));
    case DType::i64:
      return static_cast<double>(load<std::int64_t>(data, index));
    case DType::i32:
      return load<std::int32_t>(data, index);
    case DType::u8:
      return load<std::uint8_t>(data, index);
  }
  return 0;
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

std::vector<double> to_doubles(DType dtype, const std::byte* data, std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    values[static_cast<std::size_t>(i)] = element_at(dtype, data, i);
  }
  return values;
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
