#include "data/json/json_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "data/json/json_print.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

/// Up to this many members a search through all pairs is faster than a hash table.
constexpr std::size_t kSmallObject = 16;

bool has_duplicates(const JsonValue::Object& members) {
  for (std::size_t i = 1; i < members.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (members[i].key == members[j].key) return true;
    }
  }
  return false;
}

/// Python's rule: the last value of a key wins and stands where the key was first seen.
void merge_duplicates(JsonValue::Object& members) {
  if (members.size() <= kSmallObject && !has_duplicates(members)) return;
  std::unordered_map<std::string_view, std::size_t> first_seen;
  std::vector<bool> keep(members.size(), true);
  bool any = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto [entry, inserted] = first_seen.emplace(members[i].key, i);
    if (inserted) continue;
    members[entry->second].value = std::move(members[i].value);
    keep[i] = false;
    any = true;
  }
  if (!any) return;
  JsonValue::Object unique;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (keep[i]) unique.push_back(std::move(members[i]));
  }
  members = std::move(unique);
}

}  // namespace

bool JsonBuilder::number_float(double value, const std::string& raw) {
  if (raw.find_first_of(".eE") == std::string::npos) return add(JsonValue::make_integer(raw));
  return add(JsonValue::make_real(python_float(value)));
}

bool JsonBuilder::end_object() {
  merge_duplicates(open_.back().object());
  return close();
}

bool JsonBuilder::parse_error(std::size_t byte, const std::string& /*token*/,
                              const nlohmann::json::exception& error) {
  if (!error_.empty()) return false;
  // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while ..."
  std::string_view text = error.what();
  if (const std::size_t column = text.find("column "); column != std::string_view::npos) {
    if (const std::size_t colon = text.find(": ", column); colon != std::string_view::npos) {
      text.remove_prefix(colon + 2);
    }
  } else if (const std::size_t bracket = text.find("] "); bracket != std::string_view::npos) {
    text.remove_prefix(bracket + 2);
  }
  // It ends with what was read of the token, however long, and be it half a character.
  error_ = fmt::format("{}, at byte {}", abridge(utf8_lossy(text)), byte);
  return false;
}

bool JsonBuilder::add(JsonValue value) {
  if (open_.empty()) {
    root_ = std::move(value);
  } else if (open_.back().is_array()) {
    open_.back().array().push_back(std::move(value));
  } else {
    open_.back().object().push_back({std::move(keys_.back()), std::move(value)});
    keys_.pop_back();
  }
  return true;
}

bool JsonBuilder::open(JsonValue container) {
  if (open_.size() == kMaxDepth) {
    error_ = fmt::format("nested deeper than {} levels", kMaxDepth);
    return false;
  }
  open_.push_back(std::move(container));
  return true;
}

bool JsonBuilder::close() {
  JsonValue value = std::move(open_.back());
  open_.pop_back();
  return add(std::move(value));
}

}  // namespace longhaul
