#include "preflight/mount.h"

#include <algorithm>
#include <sstream>

#include "core/file.h"

namespace longhaul::preflight {
namespace fs = std::filesystem;
namespace {

/// Blanks and the like are written as octal numbers: "\040".
std::string unescaped(const std::string& text) {
  constexpr std::size_t kDigits = 3;
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + kDigits < text.size() &&
        text.find_first_not_of("01234567", i + 1) >= i + 1 + kDigits) {
      result += static_cast<char>(std::stoi(text.substr(i + 1, kDigits), nullptr, 8));
      i += kDigits;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool is_below(const fs::path& path, const fs::path& place) {
  const auto [end, unused] = std::mismatch(place.begin(), place.end(), path.begin(), path.end());
  return end == place.end();
}

}  // namespace

std::string find_mount(std::string_view mountinfo, const fs::path& path) {
  std::string best;
  std::size_t best_length = 0;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // id parent device root place options [tags...] - type source ...
    std::istringstream words(line);
    std::string skipped;
    std::string place;
    words >> skipped >> skipped >> skipped >> skipped >> place;
    const std::size_t dash = line.find(" - ");
    if (place.empty() || dash == std::string::npos) continue;
    std::istringstream rest(line.substr(dash + 3));
    std::string type;
    std::string source;
    rest >> type >> source;
    place = unescaped(place);
    if (!is_below(path, place) || place.size() < best_length) continue;
    best_length = place.size();
    source = unescaped(source);
    best = source.empty() || source == type || source == "none" ? type : type + " " + source;
  }
  return best;
}

std::string mount_of(const fs::path& path) {
  std::error_code none;
  fs::path full = fs::weakly_canonical(path, none);
  if (none) full = fs::absolute(path, none);
  const fs::path list = "/proc/self/mountinfo";
  return fs::exists(list, none) ? find_mount(read_text_file(list), full) : "";
}

}  // namespace longhaul::preflight
