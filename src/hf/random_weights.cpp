#include "hf/random_weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace longhaul {
namespace {

std::uint64_t fnv1a_64(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return hash;
}

std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
    key[0] += 0x9E3779B9U;  // the golden ratio
    key[1] += 0xBB67AE85U;  // the square root of 3, less 1
  }
  return counter;
}

void RandomWeights::normal(std::string_view tensor, double deviation, std::int64_t first,
                           std::int64_t count, float* out) const {
  constexpr std::int64_t kPerBlock = 4;
  const std::uint64_t stream = fnv1a_64(tensor);
  const std::int64_t last = first + count;
  const std::int64_t blocks_end = (last + kPerBlock - 1) / kPerBlock;
#pragma omp parallel for schedule(static)
  for (std::int64_t block = first / kPerBlock; block < blocks_end; ++block) {
    const auto number = static_cast<std::uint64_t>(block);
    const auto words = philox4x32({low(number), high(number), low(stream), high(stream)},
                                  {low(seed_), high(seed_)});
    std::array<double, kPerBlock> values{};
    for (std::size_t pair = 0; pair < kPerBlock; pair += 2) {
      const double uniform = (words[pair] + 0.5) * 0x1p-32;  // in (0, 1)
      const double radius = deviation * std::sqrt(-2.0 * std::log(uniform));
      const double angle = 2.0 * std::numbers::pi * 0x1p-32 * words[pair + 1];
      values[pair] = radius * std::cos(angle);
      values[pair + 1] = radius * std::sin(angle);
    }
    const std::int64_t begin = block * kPerBlock;
    for (std::int64_t i = std::max(begin, first); i < std::min(begin + kPerBlock, last); ++i) {
      out[i - first] = static_cast<float>(values[static_cast<std::size_t>(i - begin)]);
    }
  }
}

}  // namespace longhaul
