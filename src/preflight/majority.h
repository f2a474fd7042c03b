#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// The first rank that has what most ranks have, when they are to be equal; of as many, the one of
/// the lowest rank. `value(seen)` is what counts. There must be at least one.
template <typename Fact, typename Value>
const Seen<Fact>& of_the_majority(const std::vector<Seen<Fact>>& all, const Value& value) {
  std::map<decltype(value(all.front())), int> counts;
  for (const Seen<Fact>& one : all) ++counts[value(one)];
  const auto fewer = [&](const Seen<Fact>& a, const Seen<Fact>& b) {
    return counts[value(a)] < counts[value(b)];
  };
  return *std::max_element(all.begin(), all.end(), fewer);  // the first of equal ones
}

}  // namespace longhaul::preflight
