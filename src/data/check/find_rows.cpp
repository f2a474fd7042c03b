#include "data/check/find_rows.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/json/json_parse.h"

namespace longhaul {
namespace {

/// Tells lines whose row has a given id.
class IdMatcher {
 public:
  IdMatcher(std::string id, const std::string& file) : id_(std::move(id)) {
    // JSON may spell these in two ways; every other character is itself or a \u escape.
    const auto has_two_spellings = [](char c) {
      return c == '"' || c == '\\' || c == '/' || static_cast<unsigned char>(c) < 0x20;
    };
    plain_ = std::none_of(id_.begin(), id_.end(), has_two_spellings);
    const std::string name = std::filesystem::path(file).filename().string() + ":";
    if (id_.starts_with(name)) line_ = id_.substr(name.size());
  }

  [[nodiscard]] bool matches(const LineReader::Line& line) const {
    if (!line_.empty() && line_ == std::to_string(line.number)) {
      const std::optional<std::string> given = id_of(line.text);
      return !given || given->empty() || *given == id_;
    }
    if (plain_ && line.text.find(id_) == std::string_view::npos &&
        line.text.find("\\u") == std::string_view::npos) {
      return false;
    }
    const std::optional<std::string> given = id_of(line.text);
    return given && !given->empty() && *given == id_;
  }

 private:
  /// Nothing for a line that is not JSON.
  static std::optional<std::string> id_of(std::string_view text) {
    try {
      return row_id(parse_json(text));
    } catch (const JsonError&) {
      return std::nullopt;
    }
  }

  std::string id_;
  std::string line_;  // the number, for an id that names a line of this file
  bool plain_ = false;
};

}  // namespace

SearchedFile find_rows(LineReader& lines, const RowQuery& query, RowForm form,
                       const std::function<bool(const FoundRow&)>& use) {
  std::optional<IdMatcher> ids;
  if (query.id) ids.emplace(*query.id, lines.name());
  SearchedFile searched;
  LineReader::Line line;
  while (lines.next(line)) {
    if (query.line && line.number > *query.line) break;
    const std::int64_t index = searched.rows++;
    searched.last_line = line.number;
    if ((query.line && line.number != *query.line) || (query.index && index != *query.index) ||
        (ids && !ids->matches(line))) {
      continue;
    }
    const FoundRow found{lines.name(), line.number, std::string(line.text),
                         parse_line(line, lines.name(), form)};
    if (!use(found)) break;
  }
  return searched;
}

}  // namespace longhaul
