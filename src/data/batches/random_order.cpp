#include "data/batches/random_order.h"

#include <numeric>
#include <utility>

#include "core/error.h"

namespace longhaul {
namespace {

__extension__ using Product = unsigned __int128;

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t state) : state_(state) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  /// Uniform in 0 .. bound-1.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t rejected = (0 - bound) % bound;  // 2^64 mod bound
    while (true) {
      const Product product = static_cast<Product>(next()) * bound;
      if (static_cast<std::uint64_t>(product) >= rejected) {
        return static_cast<std::uint64_t>(product >> 64);
      }
    }
  }

 private:
  std::uint64_t state_;
};

}  // namespace

std::vector<std::int64_t> random_order(std::int64_t count, std::uint64_t seed, OrderPurpose purpose,
                                       std::uint64_t index) {
  LONGHAUL_CHECK(count >= 0, "an order of {} things", count);
  std::uint64_t state = SplitMix64(seed).next();
  state = SplitMix64(state + static_cast<std::uint64_t>(purpose)).next();
  state = SplitMix64(state + index).next();
  SplitMix64 generator(state);
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i-- > 1;) {
    std::swap(order[i], order[static_cast<std::size_t>(generator.below(i + 1))]);
  }
  return order;
}

}  // namespace longhaul
