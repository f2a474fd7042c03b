#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;  // left out of decoded text on request
};

/// Finds added tokens ("<|im_start|>", "<think>") in raw text: leftmost first, the longest where
/// several begin at one place.
class AddedTokens {
 public:
  struct Match {
    std::size_t begin = std::string_view::npos;  // npos: no further token
    std::size_t end = std::string_view::npos;
    std::int32_t id = -1;
  };

  AddedTokens() = default;
  /// Contents are not empty and differ (checked by the loader).
  explicit AddedTokens(std::vector<AddedToken> tokens);

  [[nodiscard]] const std::vector<AddedToken>& tokens() const { return tokens_; }
  /// The first match at or after `from`.
  [[nodiscard]] Match find(std::string_view text, std::size_t from) const;

 private:
  [[nodiscard]] std::size_t find_first_byte(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> tokens_;                             // longest first
  std::array<std::vector<std::uint32_t>, 256> by_first_byte_;  // indices, longest first
  std::string first_bytes_;                                    // distinct
};

}  // namespace longhaul
