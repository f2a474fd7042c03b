#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "compute/backend.h"

namespace longhaul::bench {

// Random numbers for operands and weights: a function of (stream, number) alone, so that they do
// not depend on layout, threads and pieces, and cheap, because billions of them are needed.
// Benchmarks never run on zeros or constants: matrix units draw less power on those and run faster.

/// SplitMix64's mixing of stream + (number + 1) * 0x9e3779b97f4a7c15.
constexpr std::uint64_t random_bits(std::uint64_t stream, std::uint64_t number) {
  std::uint64_t z = stream + (number + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

/// A stream of its own for a name.
std::uint64_t random_stream(std::string_view name);

struct Distribution {
  double mean = 0.0;
  double deviation = 1.0;
};

/// Numbers first .. first + count of a stream -> out [count], overwritten: nearly normal (the sum
/// of four uniform values, so never more than 3.5 deviations from the mean).
void random_normal(std::uint64_t stream, std::int64_t first, std::int64_t count,
                   const Distribution& distribution, float* out);

/// A matrix in device memory, with its memory.
struct Tensor {
  DeviceBuffer buffer;
  MatrixView view;

  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(view.data);
  }
  [[nodiscard]] void* data() const { return view.data; }
  [[nodiscard]] std::int64_t bytes() const { return static_cast<std::int64_t>(view.bytes()); }
};

/// Makes tensors with random contents, each from a stream of its own. Large ones hold the same few
/// million numbers again and again: nothing that is timed can tell.
class RandomData {
 public:
  explicit RandomData(Backend& backend);

  /// dtype: f32 or bf16.
  Tensor matrix(DType dtype, std::int64_t rows, std::int64_t cols,
                const Distribution& distribution = {});
  Tensor uninitialised(DType dtype, std::int64_t rows, std::int64_t cols);
  /// Copies: [1, values], and [values / cols, cols].
  Tensor integers(std::span<const std::int32_t> values);
  Tensor floats(std::span<const float> values, std::int64_t cols);

  /// `count` integers in 0 .. limit, from a stream of their own.
  std::vector<std::int32_t> random_integers(std::int64_t count, std::int64_t limit);

  /// Bytes of all tensors made so far.
  [[nodiscard]] std::size_t made_bytes() const { return made_bytes_; }

 private:
  Tensor copy(DType dtype, const void* values, std::int64_t rows, std::int64_t cols);

  Backend& backend_;
  PinnedBuffer staging_;
  std::vector<float> values_;
  std::uint64_t streams_ = 0;
  std::size_t made_bytes_ = 0;
};

}  // namespace longhaul::bench
