// A file of rows: lines, JSON, the accepted forms, and the templates with whatever came out.
#include <sstream>

#include "data/rows/row_reader.h"
#include "rendering.h"

using namespace longhaul;
using fuzz::require;

namespace {

void check(const std::variant<Row, RejectedRow>& result, RowForm form) {
  if (const auto* rejected = std::get_if<RejectedRow>(&result)) {
    require(!rejected->reason.empty() && rejected->reason.size() < 1000, "a short reason");
    require(find_invalid_utf8(rejected->reason) == std::string_view::npos, "a reason in UTF-8");
    return;
  }
  const Row& row = std::get<Row>(result);
  require(!row.id.empty(), "a row has an id");
  if (form != RowForm::verbatim) {
    require(!row.messages.empty() && row.tools.is_array(),
            "a training row has messages and a list");
    for (const Message& message : row.messages) {
      require(message.content.is_string(), "content of a training row is a string");
      require(message.role == "system" || message.role == "user" || message.role == "assistant" ||
                  message.role == "tool",
              "roles of a training row are those of templates");
    }
  }
  fuzz::render_with_all(row);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream stream{std::string(fuzz::as_text(data, size))};
  LineReader reader(stream, "rows.jsonl", StreamContent::text);
  LineReader::Line line;
  std::int64_t number = 0;
  while (reader.next(line)) {
    require(line.number > number, "line numbers rise");
    number = line.number;
    require(!line.text.empty() && line.text.find('\n') == std::string_view::npos, "one line");
    for (const RowForm form :
         {RowForm::training, RowForm::swift, RowForm::swift_strict, RowForm::verbatim}) {
      check(parse_line(line, reader.name(), form), form);
    }
  }
  return 0;
}
