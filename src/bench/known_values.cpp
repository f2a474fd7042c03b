#include "bench/known_values.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/tensor/convert.h"

namespace longhaul::bench {
namespace {

constexpr int kLargest = 256;  // bfloat16 holds the integers up to here
constexpr std::int64_t kStagingBytes = std::int64_t{8} << 20;

std::vector<std::byte> as_dtype(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * size_of(dtype));
  convert_values(values.data(), DType::f32, bytes.data(), dtype,
                 static_cast<std::int64_t>(values.size()));
  return bytes;
}

float element(const std::byte* data, std::int64_t index, DType dtype) {
  float value = 0.0F;
  convert_values(data + index * static_cast<std::int64_t>(size_of(dtype)), dtype, &value,
                 DType::f32, 1);
  return value;
}

/// Calls work(begin, count) over pieces of [0, count) that fit the staging buffer.
template <typename Work>
void in_pieces(const Tensor& tensor, const Work& work) {
  const std::int64_t piece = kStagingBytes / static_cast<std::int64_t>(size_of(tensor.view.dtype));
  const std::int64_t count = tensor.view.size();
  for (std::int64_t begin = 0; begin < count; begin += piece) {
    work(begin, std::min(piece, count - begin));
  }
}

std::byte* at(const Tensor& tensor, std::int64_t element) {
  return tensor.as<std::byte>() + element * static_cast<std::int64_t>(size_of(tensor.view.dtype));
}

}  // namespace

KnownValues::KnownValues(DType dtype, int ranks, Use use) : width_(size_of(dtype)) {
  LONGHAUL_CHECK(dtype == DType::f32 || dtype == DType::bf16, "known {}", name_of(dtype));
  const int limit = use == Use::move ? kLargest : std::max(1, kLargest / ranks);
  const int every = use == Use::move ? 1 : (ranks + kLargest - 1) / kLargest;
  const std::uint64_t stream = random_stream("collective");
  std::vector<float> input(kPeriod);
  std::vector<float> sum(kPeriod, 0.0F);
  for (int rank = 0; rank < ranks; ++rank) {
    const std::uint64_t of_rank = random_bits(stream, static_cast<std::uint64_t>(rank));
    for (std::size_t i = 0; i < input.size(); ++i) {
      const bool puts = (static_cast<std::size_t>(rank) + i) % static_cast<std::size_t>(every) == 0;
      const std::uint64_t drawn = random_bits(of_rank, i) % static_cast<std::uint64_t>(limit);
      input[i] = puts ? 1.0F + static_cast<float>(drawn) : 0.0F;
      sum[i] += input[i];
    }
    inputs_.push_back(as_dtype(input, dtype));
  }
  sums_ = as_dtype(sum, dtype);
}

void KnownValues::input(int rank, std::int64_t begin, std::int64_t count, std::byte* out) const {
  repeat(inputs_[static_cast<std::size_t>(rank)], begin, count, out);
}

void KnownValues::sum(std::int64_t begin, std::int64_t count, std::byte* out) const {
  repeat(sums_, begin, count, out);
}

void KnownValues::repeat(const Table& table, std::int64_t begin, std::int64_t count,
                         std::byte* out) const {
  std::int64_t from = begin % kPeriod;
  while (count > 0) {
    const std::int64_t here = std::min(count, kPeriod - from);
    const std::size_t bytes = static_cast<std::size_t>(here) * width_;
    std::memcpy(out, table.data() + static_cast<std::size_t>(from) * width_, bytes);
    out += bytes;
    count -= here;
    from = 0;
  }
}

DeviceValues::DeviceValues(Backend& backend)
    : backend_(backend), staging_(*backend.device, kStagingBytes), expected_(kStagingBytes) {}

void DeviceValues::fill(const Tensor& tensor, const Values& values) {
  const Stream stream = backend_.device->compute_stream();
  in_pieces(tensor, [&](std::int64_t begin, std::int64_t count) {
    values(begin, count, staging_.data());
    backend_.device->copy_to_device(at(tensor, begin), staging_.data(),
                                    static_cast<std::size_t>(count) * size_of(tensor.view.dtype),
                                    stream);
    backend_.device->synchronize(stream);  // the staging buffer is used again
  });
}

Difference DeviceValues::compare(const Tensor& tensor, const Values& expected) {
  const DType dtype = tensor.view.dtype;
  const Stream stream = backend_.device->compute_stream();
  Difference difference;
  in_pieces(tensor, [&](std::int64_t begin, std::int64_t count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * size_of(dtype);
    expected(begin, count, expected_.data());
    backend_.device->copy_to_host(staging_.data(), at(tensor, begin), bytes, stream);
    backend_.device->synchronize(stream);
    if (std::memcmp(staging_.data(), expected_.data(), bytes) == 0) return;
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = element(staging_.data(), i, dtype);
      const float right = element(expected_.data(), i, dtype);
      if (value == right) continue;
      if (difference.wrong++ == 0) difference = {1, begin + i, value, right};
    }
  });
  return difference;
}

}  // namespace longhaul::bench
