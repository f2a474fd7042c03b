#include "data/text/unicode_class.h"

#include <algorithm>
#include <map>

namespace longhaul {
namespace {

struct ClassRange {
  char32_t first;
  char32_t last;  // inclusive
  std::uint8_t bits;
};

#include "data/text/unicode_class_ranges.inc"

}  // namespace

CharacterClasses::CharacterClasses() {
  constexpr std::size_t kPageSize = 256;
  std::vector<std::uint8_t> all(page_of_.size() * kPageSize, 0);
  for (const ClassRange& range : kClassRanges) {
    for (char32_t c = range.first; c <= range.last; ++c) all[c] |= range.bits;
  }
  all['\n'] |= kNewline;
  all['\r'] |= kNewline;
  std::map<std::array<std::uint8_t, kPageSize>, std::uint16_t> known;
  for (std::size_t page = 0; page < page_of_.size(); ++page) {
    std::array<std::uint8_t, kPageSize> content{};
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(page * kPageSize), kPageSize,
                content.begin());
    const auto [entry, inserted] = known.emplace(content, static_cast<std::uint16_t>(known.size()));
    if (inserted) pages_.insert(pages_.end(), entry->first.begin(), entry->first.end());
    page_of_[page] = entry->second;
  }
}

const CharacterClasses& character_classes() {
  static const CharacterClasses classes;
  return classes;
}

}  // namespace longhaul
