#include "data/files/data_source.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"

namespace longhaul {
std::string DataSource::text() const {
  return draw ? fmt::format("{}#{}", path.string(), *draw) : path.string();
}

DataSource parse_data_source(const std::string& text) {
  const std::size_t mark = text.rfind('#');
  if (mark == std::string::npos || mark == 0 || mark + 1 == text.size()) return {text};
  const std::string digits = text.substr(mark + 1);
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return {text};
  }
  std::error_code ignored;
  if (std::filesystem::exists(text, ignored)) return {text};
  std::int64_t rows = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), rows);
  if (result.ec != std::errc() || rows < 1 || rows > kMostDrawnRows) {
    user_error(
        "{}: the number after # is how many rows an epoch takes of the file, from 1 to {}; leave "
        "#{} out to take every row once",
        text, kMostDrawnRows, digits);
  }
  return {text.substr(0, mark), rows};
}

}  // namespace longhaul
