#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "bench/random_data.h"

namespace longhaul::bench {

/// Inputs of collectives that are known by rank and index, and their sums, so that every element of
/// a result can be checked, as nccl-tests does it. All are integers from 1 to 256, which bfloat16
/// holds exactly; so does any sum of some ranks' inputs, in whatever order they are added. None is
/// 0: a buffer of zeros holds no right result.
class KnownValues {
 public:
  enum class Use : std::uint8_t {
    move,  // inputs from 1 to 256
    sum,   // inputs of which those of all ranks sum up to at most 256; with more than 256 ranks,
           // some ranks put 0 there, which is no result
  };
  /// dtype: f32 or bf16.
  KnownValues(DType dtype, int ranks, Use use);

  /// Elements begin .. begin + count of what `rank` puts in -> out [count].
  void input(int rank, std::int64_t begin, std::int64_t count, std::byte* out) const;
  /// The same of the sum over all ranks.
  void sum(std::int64_t begin, std::int64_t count, std::byte* out) const;

 private:
  using Table = std::vector<std::byte>;  // [kPeriod] elements, which are repeated

  void repeat(const Table& table, std::int64_t begin, std::int64_t count, std::byte* out) const;

  // A prime: parts of buffers that change places do not look alike.
  static constexpr std::int64_t kPeriod = 10007;

  std::size_t width_;  // bytes of an element
  std::vector<Table> inputs_;
  Table sums_;
};

/// How a tensor differs from what it should hold.
struct Difference {
  std::int64_t wrong = 0;  // elements
  std::int64_t first = 0;  // index of the first of them
  float value = 0.0F;      // of it
  float expected = 0.0F;
};

/// Fills and compares tensors of device memory with values that the host computes piece by piece.
class DeviceValues {
 public:
  explicit DeviceValues(Backend& backend);

  /// Elements begin .. begin + count -> out [count], of the tensor's dtype.
  using Values = std::function<void(std::int64_t begin, std::int64_t count, std::byte* out)>;

  void fill(const Tensor& tensor, const Values& values);
  /// Every element.
  Difference compare(const Tensor& tensor, const Values& expected);

 private:
  Backend& backend_;
  PinnedBuffer staging_;
  std::vector<std::byte> expected_;
};

}  // namespace longhaul::bench
