#include "core/arena.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/rounding.h"

namespace longhaul {

void* Arena::allocate(std::size_t bytes, const char* label) {
  const std::size_t rounded = round_up(bytes, kAlignment);
  LONGHAUL_CHECK(measuring_ || used_ + rounded <= capacity_,
                 "'{}' needs {} bytes, but {} of the planned {} are used", label, rounded, used_,
                 capacity_);
  std::byte* const result = measuring_ ? nullptr : base_ + used_;
  used_ += rounded;
  if (measuring_) allocations_.push_back({section_, rounded});
  peak_ = std::max(peak_, used_);
  return result;
}

void Arena::release(std::size_t mark) {
  LONGHAUL_CHECK(mark <= used_, "release to {} of {} used bytes", mark, used_);
  while (!allocations_.empty() && used_ > mark) {
    used_ -= allocations_.back().bytes;
    allocations_.pop_back();
  }
  used_ = mark;
}

std::vector<Arena::Section> Arena::sections() const {
  std::vector<Section> sums;
  for (const Section& allocation : allocations_) {
    const auto found = std::find_if(sums.begin(), sums.end(), [&](const Section& sum) {
      return std::string_view(sum.name) == allocation.name;
    });
    if (found == sums.end()) {
      sums.push_back(allocation);
    } else {
      found->bytes += allocation.bytes;
    }
  }
  return sums;
}

}  // namespace longhaul
