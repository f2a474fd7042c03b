#pragma once

#include <cstdint>
#include <vector>

namespace longhaul {

/// What a random order is drawn for; different purposes give unrelated orders for one seed.
enum class OrderPurpose : std::uint64_t {
  validation_split = 1,
  epoch = 2,
  draw = 3,         // path#N
  pack_groups = 4,  // --packing balanced
};

/// The numbers 0 .. count-1 in a random order that depends on the arguments alone and is the same
/// on every platform and in every version of the program:
///
/// 1. SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA
///    2014) gives 64-bit numbers: state += 0x9e3779b97f4a7c15; z = state;
///    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9; z = (z ^ z >> 27) * 0x94d049bb133111eb; z ^ z >> 31.
///    The first state is s3 of: s0 = 0; s1 = mix(s0 + seed), s2 = mix(s1 + purpose),
///    s3 = mix(s2 + index), where mix(x) is the number that state x leads to.
/// 2. Fisher and Yates: for i = count-1 down to 1, swap place i with place j, j drawn uniformly
///    from 0 .. i: the high 64 bits of number * (i + 1), where a number whose low 64 bits of that
///    product are below 2^64 mod (i + 1) is drawn again (so there is no bias).
std::vector<std::int64_t> random_order(std::int64_t count, std::uint64_t seed, OrderPurpose purpose,
                                       std::uint64_t index);

}  // namespace longhaul
