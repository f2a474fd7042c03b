#include "core/arena.h"

#include <algorithm>

#include "core/error.h"

namespace longhaul {

void* Arena::allocate(std::size_t bytes, const char* label) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  LONGHAUL_CHECK(measuring_ || used_ + rounded <= capacity_,
                 "'{}' needs {} bytes, but {} of the planned {} are used", label, rounded, used_,
                 capacity_);
  std::byte* const result = measuring_ ? nullptr : base_ + used_;
  used_ += rounded;
  peak_ = std::max(peak_, used_);
  return result;
}

void Arena::release(std::size_t mark) {
  LONGHAUL_CHECK(mark <= used_, "release to {} of {} used bytes", mark, used_);
  used_ = mark;
}

}  // namespace longhaul
