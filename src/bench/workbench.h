#pragma once

#include <algorithm>
#include <vector>

#include "bench/random_data.h"
#include "bench/timer.h"

namespace longhaul::bench {

/// Times ops on sets of operands that take turns: together they are larger than the caches of any
/// device, so that every call reads its operands from memory, as in training.
class Workbench {
 public:
  Workbench(Backend& backend, double seconds)
      : backend_(backend), timer_(*backend.device, seconds), data_(backend) {}

  [[nodiscard]] Backend& backend() const { return backend_; }
  [[nodiscard]] RandomData& data() { return data_; }

  struct NoRestore {};
  /// make() -> a set of operands (tensors); call(set) issues the op on it; restore(set) mends what
  /// the op destroyed.
  template <typename Make, typename Call, typename Restore = NoRestore>
  Timing time(const Make& make, const Call& call, const Restore& restore = {}) {
    using Set = decltype(make());
    std::vector<Set> sets;
    const std::size_t before = data_.made_bytes();
    sets.push_back(make());
    const std::size_t each = std::max<std::size_t>(1, data_.made_bytes() - before);
    const std::size_t wanted = std::clamp(kRotatedBytes / each + 1, std::size_t{2}, kMostSets);
    while (sets.size() < wanted && backend_.device->memory_free() / 2 > each)
      sets.push_back(make());
    const auto on = [&](const auto& what) {
      return [&](int i) { what(sets[static_cast<std::size_t>(i)]); };
    };
    const int count = static_cast<int>(sets.size());
    if constexpr (std::is_same_v<Restore, NoRestore>) {
      return timer_.measure(count, on(call));
    } else {
      // Once each, and one less: the set that was restored last is not the next one's turn.
      return timer_.measure(count, on(call), {on(restore), count - 1});
    }
  }

 private:
  // H100 has 50 MB of L2, no GPU so far more than 128 MB.
  static constexpr std::size_t kRotatedBytes = std::size_t{256} << 20;
  static constexpr std::size_t kMostSets = 64;

  Backend& backend_;
  Timer timer_;
  RandomData data_;
};

}  // namespace longhaul::bench
