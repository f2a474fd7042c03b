// The parsers of JSON and of Python literals, and the printers: any bytes.
#include "data/json/json_parse.h"
#include "data/json/json_print.h"
#include "data/json/python_literal.h"
#include "data/text/utf8.h"
#include "fuzz_support.h"

using namespace longhaul;
using fuzz::require;

namespace {

void check_reason(const JsonError& error) {
  const std::string_view reason = error.what();
  require(!reason.empty() && reason.size() < 500, "a short reason");
  require(find_invalid_utf8(reason) == std::string_view::npos, "a reason in UTF-8");
}

/// Such texts come out of JSON strings, so they are UTF-8.
void check_literal(const std::string& text) {
  try {
    const std::string printed = to_json(parse_python_literal(text));
    require(to_json(parse_json(printed)) == printed, "a literal is printed as JSON");
  } catch (const JsonError& error) {
    check_reason(error);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const bool utf8 = find_invalid_utf8(text) == std::string_view::npos;
  require(utf8 == (utf8_lossy(text) == text), "utf8_lossy changes what is not UTF-8, only that");
  require(find_invalid_utf8(utf8_lossy(text)) == std::string_view::npos, "utf8_lossy gives UTF-8");
  std::string repaired(text);
  replace_lone_surrogates(repaired);
  require(repaired.size() == text.size(), "replacing surrogates keeps the length");
  if (!has_surrogate_escape(text)) require(repaired == text, "without surrogates nothing changes");
  check_literal(utf8_lossy(text));

  JsonValue value;
  try {
    value = parse_json(text);
  } catch (const JsonError& error) {
    check_reason(error);
    return 0;
  }
  require(utf8, "JSON is UTF-8");
  const std::string printed = to_json(value);
  require(find_invalid_utf8(printed) == std::string_view::npos, "printed JSON is UTF-8");
  require(to_json(parse_json(printed)) == printed, "what is printed reads back as the same");
  std::string python;
  append_python_str(python, value);
  return 0;
}
