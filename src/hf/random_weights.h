#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace longhaul {

/// The counter-based generator Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011): ten rounds that turn a counter and a key into four random words.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// Random weights that depend on seed, tensor name and element number alone, not on the order or
/// the pieces in which they are asked for. Element i of a tensor comes from block i / 4: Philox
/// with the seed for key, the block's number in the counter's first two words and the name's 64-bit
/// FNV-1a hash in the last two. A block's four words make four normal values by Box and Muller's
/// method: words 0 and 1 values 0 and 1 (cosine, sine), words 2 and 3 values 2 and 3.
class RandomWeights {
 public:
  explicit RandomWeights(std::uint64_t seed) : seed_(seed) {}

  /// Elements first .. first + count of `tensor`, normal with mean 0 and the given standard
  /// deviation -> out [count] fp32, overwritten.
  void normal(std::string_view tensor, double deviation, std::int64_t first, std::int64_t count,
              float* out) const;

 private:
  std::uint64_t seed_;
};

}  // namespace longhaul
