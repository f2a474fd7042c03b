#include "hf/byte_size.h"

#include <charconv>
#include <cmath>
#include <string>

#include "core/error.h"

namespace longhaul {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};

constexpr Unit kUnits[] = {
    {"", 1},      {"b", 1},        {"kb", 1e3},     {"mb", 1e6},     {"gb", 1e9},
    {"tb", 1e12}, {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30}, {"tib", 0x1p40},
};

}  // namespace

std::int64_t parse_byte_size(std::string_view text, std::string_view flag) {
  double number = 0.0;
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  std::string unit(after, end);
  unit.erase(0, unit.find_first_not_of(' '));
  for (char& c : unit) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  for (const Unit& known : kUnits) {
    if (error != std::errc() || unit != known.name) continue;
    const double bytes = number * known.bytes;
    if (!(bytes >= 1.0 && bytes <= 0x1p60)) break;
    return static_cast<std::int64_t>(std::llround(bytes));
  }
  user_error("{}: '{}' is no size; write a number and a unit, like 5GB, 200MB or 4GiB", flag, text);
}

}  // namespace longhaul
