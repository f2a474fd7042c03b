#include "data/rows/row_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "data/json/json_parse.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

LineReader::LineReader(const std::filesystem::path& path)
    : file_(path, std::ios::binary), stream_(&file_), name_(path.string()) {
  if (std::filesystem::is_directory(path)) {
    user_error("{}: is a directory; a JSON-lines file is expected", name_);
  }
  if (!file_) user_error("{}: cannot be opened ({}); check the path", name_, std::strerror(errno));
}

LineReader::LineReader(std::istream& stream, std::string name, StreamContent content)
    : stream_(&stream), name_(std::move(name)), content_(content) {}

/// Before the first line, and not earlier: a stream may have to be waited for.
void LineReader::look_inside() {
  if (content_ == StreamContent::text) return;
  content_ = StreamContent::text;
  if (!may_be_packed(stream_->peek())) return;
  unpacked_ = std::make_unique<UnpackingStream>(*stream_->rdbuf(), name_);
  stream_ = unpacked_.get();
}

bool LineReader::next(Line& line) {
  look_inside();
  while (std::getline(*stream_, buffer_)) {
    line.offset = offset_;
    line.number = ++number_;
    offset_ += static_cast<std::int64_t>(buffer_.size()) + 1;
    std::string_view text = buffer_;
    if (line.number == 1 && text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
      text.remove_prefix(kByteOrderMark.size());
      line.offset += static_cast<std::int64_t>(kByteOrderMark.size());
    }
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (is_blank(text)) continue;
    line.text = text;
    return true;
  }
  if (stream_->bad()) {
    user_error("{}: reading failed after line {}: {}", name_, number_, std::strerror(errno));
  }
  return false;
}

std::variant<Row, RejectedRow> parse_line(const LineReader::Line& line, const std::string& file,
                                          RowForm form) {
  RejectedRow rejected{file, line.number, "", ""};
  if (const std::size_t bad = find_invalid_utf8(line.text); bad != std::string_view::npos) {
    rejected.reason = fmt::format("not UTF-8 (byte {} of the line)", bad + 1);
    return rejected;
  }
  try {
    JsonValue value = parse_json(line.text);
    rejected.id = row_id(value);
    Row row = parse_row(std::move(value), form);
    row.file = file;
    row.line = line.number;
    if (row.id.empty()) {
      row.id = fmt::format("{}:{}", std::filesystem::path(file).filename().string(), line.number);
    }
    return row;
  } catch (const JsonError& error) {
    rejected.reason = fmt::format("not JSON: {}", error.what());
    if (line.text[line.text.find_first_not_of(" \t")] == '[') {
      rejected.reason +=
          "; each line must be one row (jq -c '.[]' FILE turns a JSON list into lines)";
    }
  } catch (const RowError& error) {
    rejected.reason = error.what();
  }
  return rejected;
}

bool RowReader::next(std::variant<Row, RejectedRow>& result) {
  if (!lines_.next(line_)) return false;
  result = parse_line(line_, lines_.name(), form_);
  return true;
}

}  // namespace longhaul
