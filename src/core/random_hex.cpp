#include "core/random_hex.h"

#include <random>

#include "core/error.h"

namespace longhaul {

std::string random_hex(int digits) {
  constexpr int kDigitsOfADraw = 8;
  LONGHAUL_CHECK(digits % kDigitsOfADraw == 0, "{} random digits", digits);
  std::random_device device;
  std::string text;
  for (int i = 0; i < digits; i += kDigitsOfADraw) text += fmt::format("{:08x}", device());
  return text;
}

}  // namespace longhaul
