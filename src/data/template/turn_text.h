#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul {

/// The text of one turn that several messages may have been joined to, and which part of it comes
/// from which message.
class TurnText {
 public:
  struct Part {
    std::size_t begin;    // in text(); it ends where the next part begins
    std::size_t message;  // index in the row
  };

  /// Adds what `message` says.
  void append(std::string_view words, std::size_t message);
  /// Adds words before all others, for the first message.
  void prepend(std::string_view words);
  /// Leaves `count` bytes from `begin` on.
  void cut(std::size_t begin, std::size_t count);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }

 private:
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace longhaul
