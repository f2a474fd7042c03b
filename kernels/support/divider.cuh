#pragma once

#include <cstdint>

namespace longhaul::kernels {

/// Division by a number that is known at the launch: one multiplication in place of the hundred
/// instructions of a 64-bit division.
class Divider {
 public:
  /// divisor > 0
  explicit Divider(std::int64_t divisor)
      : divisor_(static_cast<std::uint64_t>(divisor)), reciprocal_(~std::uint64_t{0} / divisor_) {}

  /// n = quotient * divisor + rest; 0 <= n < 2^63.
  __device__ __forceinline__ void divide(std::int64_t n, std::int64_t& quotient,
                                         std::int64_t& rest) const {
    // The reciprocal is too small by less than 2^-64 n <= 1/2 in the quotient: short by one at
    // most.
    const auto dividend = static_cast<std::uint64_t>(n);
    std::uint64_t q = __umul64hi(dividend, reciprocal_);
    std::uint64_t r = dividend - q * divisor_;
    if (r >= divisor_) {
      ++q;
      r -= divisor_;
    }
    quotient = static_cast<std::int64_t>(q);
    rest = static_cast<std::int64_t>(r);
  }

 private:
  std::uint64_t divisor_;
  std::uint64_t reciprocal_;
};

}  // namespace longhaul::kernels
