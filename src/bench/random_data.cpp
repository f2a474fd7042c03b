#include "bench/random_data.h"

#include <algorithm>

#include "core/error.h"
#include "core/tensor/convert.h"

namespace longhaul::bench {
namespace {

constexpr std::int64_t kDrawnValues = std::int64_t{8} << 20;
constexpr std::int64_t kWorthThreads = 1 << 14;
// Deviation of a sum of four uniform 16-bit numbers: 65536 * sqrt(4 / 12).
constexpr double kSumDeviation = 37837.227;
constexpr double kSumMean = 2.0 * 65535.0;

}  // namespace

std::uint64_t random_stream(std::string_view name) {
  std::uint64_t hash = 0;
  for (const char c : name) hash = random_bits(hash, static_cast<unsigned char>(c));
  return hash;
}

void random_normal(std::uint64_t stream, std::int64_t first, std::int64_t count,
                   const Distribution& distribution, float* out) {
  const auto scale = static_cast<float>(distribution.deviation / kSumDeviation);
  const auto shift =
      static_cast<float>(distribution.mean - distribution.deviation * (kSumMean / kSumDeviation));
#pragma omp parallel for schedule(static) if (count >= kWorthThreads)
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random_bits(stream, static_cast<std::uint64_t>(first + i));
    const std::uint64_t sum =
        (bits & 0xffffU) + ((bits >> 16) & 0xffffU) + ((bits >> 32) & 0xffffU) + (bits >> 48);
    out[i] = static_cast<float>(static_cast<std::int32_t>(sum)) * scale + shift;
  }
}

RandomData::RandomData(Backend& backend)
    : backend_(backend), staging_(*backend.device, kDrawnValues * sizeof(float)) {}

Tensor RandomData::uninitialised(DType dtype, std::int64_t rows, std::int64_t cols) {
  MatrixView view(nullptr, dtype, rows, cols);
  DeviceBuffer buffer(*backend_.device, view.bytes());
  view.data = buffer.data();
  made_bytes_ += view.bytes();
  return {std::move(buffer), view};
}

Tensor RandomData::matrix(DType dtype, std::int64_t rows, std::int64_t cols,
                          const Distribution& distribution) {
  LONGHAUL_CHECK(dtype == DType::f32 || dtype == DType::bf16, "random {}", name_of(dtype));
  Tensor tensor = uninitialised(dtype, rows, cols);
  const std::uint64_t stream = random_bits(random_stream("operand"), streams_++);
  const std::int64_t count = rows * cols;
  const std::int64_t drawn = std::min(count, kDrawnValues);
  const auto width = static_cast<std::int64_t>(size_of(dtype));
  values_.resize(static_cast<std::size_t>(drawn));
  random_normal(stream, 0, drawn, distribution, values_.data());
#pragma omp parallel for schedule(static) if (drawn >= kWorthThreads)
  for (std::int64_t begin = 0; begin < drawn; begin += kWorthThreads) {
    convert_values(values_.data() + begin, DType::f32, staging_.data() + begin * width, dtype,
                   std::min(kWorthThreads, drawn - begin));
  }
  const Stream compute = backend_.device->compute_stream();
  backend_.device->copy_to_device(tensor.data(), staging_.data(),
                                  static_cast<std::size_t>(drawn * width), compute);
  for (std::int64_t filled = drawn; filled < count; filled *= 2) {
    const std::int64_t more = std::min(filled, count - filled);
    backend_.device->copy_on_device(tensor.as<std::byte>() + filled * width, tensor.data(),
                                    static_cast<std::size_t>(more * width), compute);
  }
  backend_.device->synchronize(compute);  // the staging buffer is used again
  return tensor;
}

Tensor RandomData::copy(DType dtype, const void* values, std::int64_t rows, std::int64_t cols) {
  Tensor tensor = uninitialised(dtype, rows, cols);
  backend_.device->copy_to_device(tensor.data(), values, tensor.view.bytes(),
                                  backend_.device->compute_stream());
  backend_.device->synchronize(backend_.device->compute_stream());
  return tensor;
}

Tensor RandomData::integers(std::span<const std::int32_t> values) {
  return copy(DType::i32, values.data(), 1, static_cast<std::int64_t>(values.size()));
}

Tensor RandomData::floats(std::span<const float> values, std::int64_t cols) {
  return copy(DType::f32, values.data(), static_cast<std::int64_t>(values.size()) / cols, cols);
}

std::vector<std::int32_t> RandomData::random_integers(std::int64_t count, std::int64_t limit) {
  const std::uint64_t stream = random_bits(random_stream("integers"), streams_++);
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] =
        static_cast<std::int32_t>(random_bits(stream, i) % static_cast<std::uint64_t>(limit));
  }
  return values;
}

}  // namespace longhaul::bench
