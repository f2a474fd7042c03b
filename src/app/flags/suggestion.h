#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

/// The candidate that a mistyped word most likely stands for; empty when none is near.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace longhaul
