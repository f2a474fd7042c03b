#include "data/rows/row_tools.h"

#include "core/error.h"
#include "data/json/json_parse.h"
#include "data/json/python_literal.h"
#include "data/rows/row.h"

namespace longhaul {
namespace {

JsonValue normalize_tool(JsonValue tool, std::size_t index, BareTool bare) {
  const std::string where = fmt::format("tools[{}]", index);
  if (tool.is_string()) tool = parse_value(tool.text(), where);
  if (!tool.is_object()) {
    throw RowError(fmt::format("{} is {}; an object is expected", where, describe(tool.kind())));
  }
  const bool typed = !tool.get("function").is_undefined() || !tool.get("type").is_undefined();
  if (typed || (bare == BareTool::named && !tool.get("name").is_string())) return tool;
  return JsonValue::make_object(
      {{"type", JsonValue::make_string("function")}, {"function", std::move(tool)}});
}

JsonValue normalize_arguments(JsonValue* given, const std::string& where) {
  if (given == nullptr || given->is_null()) return JsonValue::make_object();
  if (!given->is_string()) return std::move(*given);
  if (given->text().find_first_not_of(" \t\r\n") == std::string::npos) {
    return JsonValue::make_object();
  }
  return parse_value(given->text(), where);
}

void append_tool_call(JsonValue& call, const std::string& where, JsonValue& out) {
  JsonValue* source = call.find("function");
  if (source == nullptr || source->is_null()) source = &call;
  JsonValue* name = source->find("name");
  if (name == nullptr || !name->is_string() || name->text().empty()) {
    throw RowError(fmt::format("{} has no function name", where));
  }
  JsonValue* arguments = source->find("arguments");
  if (arguments == nullptr) arguments = source->find("parameters");
  JsonValue normalized = normalize_arguments(arguments, where + ".arguments");
  out.array().push_back(
      JsonValue::make_object({{"name", std::move(*name)}, {"arguments", std::move(normalized)}}));
}

}  // namespace

JsonValue parse_value(const std::string& text, const std::string& where) {
  try {
    return parse_json(text);
  } catch (const JsonError& error) {
    try {
      return parse_python_literal(text);
    } catch (const JsonError&) {  // the other complaint says more
      throw RowError(fmt::format("{} is a string that is not JSON: {}", where, error.what()));
    }
  }
}

JsonValue normalize_tools(JsonValue tools, BareTool bare) {
  if (tools.is_string()) {
    const bool blank = tools.text().find_first_not_of(" \t\r\n") == std::string::npos;
    tools = blank ? JsonValue() : parse_value(tools.text(), "tools");
  }
  if (tools.is_absent()) return JsonValue::make_array();
  if (tools.is_object()) {
    JsonValue list = JsonValue::make_array();
    list.array().push_back(std::move(tools));
    tools = std::move(list);
  }
  if (!tools.is_array()) {
    throw RowError(fmt::format("tools is {}; a list is expected", describe(tools.kind())));
  }
  for (std::size_t i = 0; i < tools.array().size(); ++i) {
    tools.array()[i] = normalize_tool(std::move(tools.array()[i]), i, bare);
  }
  return tools;
}

void append_tool_calls(JsonValue calls, const std::string& where, JsonValue& out) {
  if (calls.is_object()) {
    append_tool_call(calls, where, out);
  } else if (calls.is_array()) {
    for (std::size_t i = 0; i < calls.array().size(); ++i) {
      append_tool_call(calls.array()[i], fmt::format("{}[{}]", where, i), out);
    }
  } else {
    throw RowError(fmt::format("{} is {}; a list is expected", where, describe(calls.kind())));
  }
}

}  // namespace longhaul
