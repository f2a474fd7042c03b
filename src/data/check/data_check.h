#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/cache/rejected_log.h"
#include "data/rows/row_blocks.h"

namespace longhaul {

/// What a check of data files found. Counts are of rows unless they say otherwise.
struct DataCheck {
  struct Place {
    std::int32_t file = 0;  // index of `files`
    std::int64_t line = 0;
  };
  struct File {
    DataFile file;
    std::int64_t lines = 0;  // blank ones too
    std::int64_t accepted = 0;
    std::int64_t rejected = 0;
    [[nodiscard]] std::int64_t rows() const { return accepted + rejected; }
  };
  struct Example {
    Place place;
    std::string id;    // empty when the line gives none
    std::string text;  // the reason, or where in the row; may be empty
  };
  /// Rows that have one thing in common, with the first of them.
  struct Group {
    std::string name;
    std::int64_t rows = 0;
    std::vector<Example> examples;
  };
  /// One row whose id an earlier row has.
  struct Duplicate {
    std::string id;
    Place first;
    Place again;
  };

  std::vector<File> files;
  std::vector<Group> rejected;    // by reason_group, the most frequent first
  std::vector<Group> suspicious;  // accepted rows, by RowFinding::kind, the most frequent first
  // Of accepted rows:
  std::map<std::string, std::int64_t> messages;  // number of messages by role
  std::int64_t with_tools = 0;
  std::int64_t with_tool_calls = 0;
  std::int64_t with_reasoning = 0;  // reasoning_content that is not empty
  std::int64_t with_loss = 0;       // a message sets its own loss
  std::int64_t without_id = 0;      // called <file name>:<line>
  std::int64_t without_assistant = 0;
  // Of all rows that give an id, rejected ones too:
  std::int64_t duplicated_ids = 0;  // ids that more than one row has
  std::int64_t duplicate_rows = 0;  // rows beyond the first of their id
  std::vector<Duplicate> duplicates;

  [[nodiscard]] std::int64_t accepted_rows() const;
  [[nodiscard]] std::int64_t rejected_rows() const;
};

struct CheckOptions {
  static constexpr std::int64_t kBlockBytes = 1 << 19;

  int threads = 1;
  std::int64_t examples = 5;  // of each group, at most
  std::int64_t block_bytes = kBlockBytes;
  /// Called in file order for every rejected row.
  std::function<void(const UnkeptRow&)> on_rejected;
  /// Called now and then with the number of bytes checked since the last call.
  std::function<void(std::int64_t)> on_progress;
};

/// Reads every row as training does, without a model: UTF-8, JSON, form of the row. What only a
/// template or a length can refuse is not known here. Memory: a few blocks a thread, and about 64
/// bytes for each row that has an id. Throws UserError when reading fails.
DataCheck check_data(const std::vector<DataFile>& files, const CheckOptions& options);

/// The same for rows that can only be read from begin to end. They are the one file of the result,
/// with the reader's name; blank lines at the end are not counted.
DataCheck check_stream(LineReader& lines, const CheckOptions& options);

/// The result as one JSON object, with line ends and indentation.
std::string check_json(const DataCheck& check);

}  // namespace longhaul
