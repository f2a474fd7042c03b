#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace longhaul {

/// One row that is not trained on as it was.
struct UnkeptRow {
  std::string file;
  std::int64_t line = 0;
  std::int64_t length = -1;  // in tokens, before cutting; -1 when it did not get that far
  std::string id;
  std::string reason;
};

/// Writes one JSON object a row: {"file", "line", "id", "reason", "length"}; id and length are null
/// when unknown. The file is replaced at once; it is empty when every row was kept. Throws
/// UserError when it cannot be written.
void write_rejected_log(const std::filesystem::path& file, const std::vector<UnkeptRow>& rows);

/// Appends one such line.
void append_rejected_line(std::string& text, const UnkeptRow& row);

/// What rows have in common for counting: the reason without what differs from row to row, which is
/// indices in brackets, quoted text and a parser's account.
std::string reason_group(const std::string& reason);

/// "12 x no trained tokens; 3 x not JSON", the most frequent first.
std::string describe_reasons(const std::map<std::string, std::int64_t>& counts);

}  // namespace longhaul
