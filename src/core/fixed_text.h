#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longhaul {

/// A text in a buffer of its own that grows up to a fixed size; what does not fit is left out. All
/// methods may be called in a signal handler: they neither allocate nor use the C library's
/// formats.
class FixedText {
 public:
  static constexpr std::size_t kCapacity = 32768;

  void clear() { size_ = 0; }
  void append(std::string_view text);
  void append(std::int64_t number);
  /// With one digit after the point.
  void append_tenths(double number);
  /// As a JSON string. Whole characters only, as many as take `most` bytes without the quotes;
  /// bytes that are not UTF-8 become '?'.
  void append_json(std::string_view text, std::size_t most = kCapacity);

  [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kCapacity> bytes_;
  std::size_t size_ = 0;
};

}  // namespace longhaul
