#pragma once

#include <concepts>
#include <type_traits>

namespace longhaul {

/// value / size rounded up: how many parts of `size` hold `value`. size > 0; does not overflow.
template <std::integral T>
constexpr T ceil_div(T value, std::type_identity_t<T> size) {
  return value / size + (value % size > 0 ? 1 : 0);
}

/// The smallest multiple of `unit` that is not below `value`. unit > 0.
template <std::integral T>
constexpr T round_up(T value, std::type_identity_t<T> unit) {
  return ceil_div(value, unit) * unit;
}

}  // namespace longhaul
