#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "data/rows/row_reader.h"

namespace longhaul {

/// Which rows to look for; all of them when nothing is set.
struct RowQuery {
  std::optional<std::string> id;      // as the row gives it, or <file name>:<line>
  std::optional<std::int64_t> line;   // of the file, from 1
  std::optional<std::int64_t> index;  // among the file's rows, from 0; blank lines do not count
};

struct FoundRow {
  std::string file;
  std::int64_t line = 0;
  std::string text;  // the line
  std::variant<Row, RejectedRow> row;
};

/// How far a search went in one file.
struct SearchedFile {
  std::int64_t rows = 0;
  std::int64_t last_line = 0;  // that holds a row
};

/// Calls `use` for the rows of `lines` that match, in order, until it returns false. Lines that
/// cannot match are not parsed, so a search is about as fast as reading.
SearchedFile find_rows(LineReader& lines, const RowQuery& query, RowForm form,
                       const std::function<bool(const FoundRow&)>& use);

}  // namespace longhaul
