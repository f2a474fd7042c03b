#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// What libFuzzer calls with each input, and replay_main.cpp with those of the corpus. Anything
/// that is not an expected error of the input ends the process: a failed property, a sanitizer's
/// finding, an exception that nobody catches.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace longhaul::fuzz {

/// A property that every input has. In every build, unlike assert.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "this property does not hold: %s\n", property);
  std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Takes an input apart into numbers and texts. Gives zeros and empty texts when it is used up.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : rest_(as_text(data, size)) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  /// 0 .. count-1; count is at most 256.
  std::size_t below(std::size_t count) { return byte() % count; }
  /// 0 .. 65535
  std::int64_t number() {
    const std::int64_t high = byte();
    return high * 256 + byte();
  }
  /// At most `most` bytes.
  std::string text(std::size_t most) {
    const std::size_t length =
        most < 256 ? below(most + 1) : static_cast<std::size_t>(number()) % (most + 1);
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(taken.size());
    return std::string(taken);
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace longhaul::fuzz
