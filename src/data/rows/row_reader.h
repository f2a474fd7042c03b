#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "data/files/unpacking_stream.h"
#include "data/rows/row.h"
#include "data/rows/row_parse.h"

namespace longhaul {

/// Does a stream hold text, or may it be packed? What is packed with gzip or zstd is recognised by
/// its first bytes.
enum class StreamContent : std::uint8_t { text, maybe_packed };

/// Reads a file line by line, keeping one line in memory. Lines end in \n or \r\n, the last one
/// may have no end; a byte order mark before the first is skipped, and so are blank lines. Numbers
/// and offsets of a packed file are those of its text.
class LineReader {
 public:
  struct Line {
    std::string_view text;    // without its end; valid until the next call
    std::int64_t number = 0;  // from 1, blank lines counted
    std::int64_t offset = 0;  // of its first byte in the text
  };

  /// Throws UserError when the file cannot be opened.
  explicit LineReader(const std::filesystem::path& path);
  /// Reads from a stream that outlives the reader; `name` stands for the file in messages.
  LineReader(std::istream& stream, std::string name,
             StreamContent content = StreamContent::maybe_packed);
  ~LineReader() = default;
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// False at the end. Throws UserError when reading fails, or packed data is damaged: after the
  /// lines before the damage.
  bool next(Line& line);
  /// The path as given, or the stream's name.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  void look_inside();

  std::ifstream file_;
  std::istream* stream_;
  std::string name_;
  StreamContent content_ = StreamContent::maybe_packed;
  std::unique_ptr<UnpackingStream> unpacked_;
  std::string buffer_;
  std::int64_t number_ = 0;
  std::int64_t offset_ = 0;
};

/// One line as a row, or why it is none. `file` is stored in the result; an absent id becomes
/// "<file name>:<line>".
std::variant<Row, RejectedRow> parse_line(const LineReader::Line& line, const std::string& file,
                                          RowForm form);

/// The rows of a JSON-lines file. A line that cannot be used never ends the reading: it comes out
/// as a RejectedRow and the caller decides.
class RowReader {
 public:
  explicit RowReader(const std::filesystem::path& path, RowForm form = RowForm::training)
      : lines_(path), form_(form) {}

  /// The next line's result; false at the end.
  bool next(std::variant<Row, RejectedRow>& result);
  /// The line that next() went over last.
  [[nodiscard]] const LineReader::Line& line() const { return line_; }

 private:
  LineReader lines_;
  LineReader::Line line_;
  RowForm form_;
};

}  // namespace longhaul
