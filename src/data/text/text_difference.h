#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace longhaul {

/// Where two texts begin to differ.
struct TextDifference {
  std::int64_t byte = 0;    // from 1: the first byte of the first character that differs
  std::int64_t line = 0;    // from 1
  std::int64_t column = 0;  // from 1, in characters
  // What stands there, made visible (append_visible, Visible::marks). "…" stands for more.
  std::string before;  // in both
  std::string ours;    // from the difference on
  std::string theirs;
};

/// Nothing when the texts (UTF-8) are equal. context: how many characters of each side to show.
std::optional<TextDifference> find_difference(std::string_view ours, std::string_view theirs,
                                              std::int64_t context);

}  // namespace longhaul
