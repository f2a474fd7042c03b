#include "data/check/reference_rows.h"

#include <algorithm>

#include "core/error.h"
#include "data/json/json_parse.h"

namespace longhaul {
namespace {

std::optional<std::vector<std::int64_t>> ids_of(const JsonValue& list, const std::string& where) {
  if (list.is_absent()) return std::nullopt;
  std::vector<std::int64_t> ids;
  constexpr double kMost = 4294967295.0;
  if (list.is_array()) {
    for (const JsonValue& id : list.array()) {
      const double number = id.kind() == JsonValue::Kind::integer ? id.number() : -1.0;
      if (number < 0 || number > kMost) break;
      ids.push_back(static_cast<std::int64_t>(number));
    }
    if (ids.size() == list.array().size()) return ids;
  }
  user_error("{}: \"ids\" must be a list of integers from 0 to 4294967295, or be left out", where);
}

}  // namespace

ReferenceRows::ReferenceRows(const std::filesystem::path& path) : path_(path) {
  LineReader lines(path);
  LineReader::Line line;
  while (lines.next(line)) {
    const ReferenceRow row = parse(line.text, line.number);
    const bool has_id = !row.id.empty();
    if (lines_.empty()) by_id_ = has_id;
    if (has_id != by_id_) {
      user_error(
          "{}:{}: {} an id, line {} {}; give every line an id, or none, with the lines in the "
          "order "
          "of the rows",
          path.string(), line.number, has_id ? "has" : "has not", lines_.front().line,
          by_id_ ? "has" : "has not");
    }
    if (by_id_) {
      const auto [other, is_new] = by_name_.try_emplace(row.id, lines_.size());
      if (!is_new) {
        user_error(
            "{}:{}: has the id of line {}, \"{}\"; leave out all ids, so that lines are taken in "
            "the "
            "order of the rows",
            path.string(), line.number, lines_[other->second].line, row.id);
      }
    }
    lines_.push_back(
        {line.offset, static_cast<std::int64_t>(line.text.size()), line.number, false});
  }
  file_.open(path, std::ios::binary);
}

std::optional<ReferenceRow> ReferenceRows::find(const std::string& id, std::int64_t index) {
  auto at = static_cast<std::size_t>(index);
  if (by_id_) {
    const auto found = by_name_.find(id);
    if (found == by_name_.end()) return std::nullopt;
    at = found->second;
  }
  if (at >= lines_.size()) return std::nullopt;
  Place& place = lines_[at];
  place.used = true;
  std::string text(static_cast<std::size_t>(place.bytes), '\0');
  file_.clear();
  file_.seekg(place.offset);
  file_.read(text.data(), place.bytes);
  if (!file_) {
    user_error("{}:{}: cannot be read again; do not change the file meanwhile", path_.string(),
               place.line);
  }
  return parse(text, place.line);
}

std::int64_t ReferenceRows::unused() const {
  return std::count_if(lines_.begin(), lines_.end(),
                       [](const Place& place) { return !place.used; });
}

ReferenceRow ReferenceRows::parse(std::string_view text, std::int64_t line) const {
  const std::string where = fmt::format("{}:{}", path_.string(), line);
  JsonValue value;
  try {
    value = parse_json(text);
  } catch (const JsonError& error) {
    user_error("{}: not JSON: {}; lines {{\"text\": ...}} are expected", where, error.what());
  }
  ReferenceRow row;
  row.line = line;
  row.id = row_id(value);
  if (value.get("text").is_string()) {
    row.text = value.get("text").text();
  } else if (value.get("error").is_string() && !value.get("error").text().empty()) {
    row.error = value.get("error").text();
  } else {
    user_error("{}: has no \"text\" (and no \"error\"); lines {{\"text\": ...}} are expected",
               where);
  }
  row.ids = ids_of(value.get("ids"), where);
  return row;
}

}  // namespace longhaul
