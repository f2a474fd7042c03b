#include "data/cache/rejected_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/file.h"
#include "data/json/json_print.h"

namespace longhaul {

void append_rejected_line(std::string& text, const UnkeptRow& row) {
  text += "{\"file\": ";
  append_json_string(text, row.file);
  text += fmt::format(", \"line\": {}, \"id\": ", row.line);
  if (row.id.empty()) {
    text += "null";
  } else {
    append_json_string(text, row.id);
  }
  text += ", \"reason\": ";
  append_json_string(text, row.reason);
  text +=
      row.length < 0 ? ", \"length\": null}\n" : fmt::format(", \"length\": {}}}\n", row.length);
}

void write_rejected_log(const std::filesystem::path& file, const std::vector<UnkeptRow>& rows) {
  std::string text;
  for (const UnkeptRow& row : rows) append_rejected_line(text, row);
  replace_text_file(file, text);
}

std::string reason_group(const std::string& reason) {
  for (const char* prefix : {"not JSON", "not UTF-8"}) {
    if (reason.starts_with(prefix)) return prefix;
  }
  std::string group;
  for (std::size_t i = 0; i < reason.size(); ++i) {
    group += reason[i];
    if (reason[i] != '"' && reason[i] != '[') continue;
    const char closing = reason[i] == '"' ? '"' : ']';
    const std::size_t end = reason.find(closing, i + 1);
    if (end == std::string::npos) break;
    group += closing == '"' ? "..." : "N";
    group += closing;
    i = end;
  }
  return group;
}

std::string describe_reasons(const std::map<std::string, std::int64_t>& counts) {
  constexpr std::size_t kMost = 8;
  std::vector<std::pair<std::string, std::int64_t>> order(counts.begin(), counts.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (std::size_t i = 0; i < std::min(order.size(), kMost); ++i) {
    text += fmt::format("{}{} x {}", i == 0 ? "" : "; ", order[i].second, order[i].first);
  }
  if (order.size() > kMost) text += fmt::format("; and {} other reasons", order.size() - kMost);
  return text;
}

}  // namespace longhaul
