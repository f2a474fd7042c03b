#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/rows/row_reader.h"

namespace longhaul {

/// One row as another program renders it.
struct ReferenceRow {
  std::int64_t line = 0;
  std::string id;  // empty when it has none
  std::string text;
  std::string error;  // not empty: that program refuses the row; there is no text then
  std::optional<std::vector<std::int64_t>> ids;
};

/// A file of JSON lines {"id"?, "text", "ids"?} or {"id"?, "error"}. Either all lines have an id,
/// which then finds them, or none has one, and they are in the order of the rows.
class ReferenceRows {
 public:
  /// Reads the file once and keeps where each line begins. Throws UserError, naming file and line,
  /// for a line that is of another form, for ids on some lines only, and for an id used twice.
  explicit ReferenceRows(const std::filesystem::path& path);

  /// The row that belongs to row `id`, number `index` (from 0) of the data; nothing when it is
  /// missing.
  std::optional<ReferenceRow> find(const std::string& id, std::int64_t index);

  /// Rows that have not been found by anyone.
  [[nodiscard]] std::int64_t unused() const;

 private:
  struct Place {
    std::int64_t offset = 0;
    std::int64_t bytes = 0;
    std::int64_t line = 0;
    bool used = false;
  };

  [[nodiscard]] ReferenceRow parse(std::string_view text, std::int64_t line) const;

  std::filesystem::path path_;
  std::ifstream file_;
  std::vector<Place> lines_;
  std::unordered_map<std::string, std::size_t> by_name_;
  bool by_id_ = false;
};

}  // namespace longhaul
