#include "data/rows/row_parse_swift.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "core/error.h"
#include "data/json/json_print.h"
#include "data/rows/row_tools.h"

namespace longhaul {
namespace {

/// The member that goes by one of `names`, the last of them that is there.
JsonValue* last_of(JsonValue& object, std::initializer_list<std::string_view> names) {
  JsonValue* found = nullptr;
  for (const std::string_view name : names) {
    if (JsonValue* value = object.find(name)) found = value;
  }
  return found;
}

/// "" for a role that ms-swift does not know; a call has the role "call".
std::string_view known_role(std::string role) {
  for (char& c : role) {
    if (c == '-') c = '_';
  }
  for (const std::string_view same : {"system", "user", "assistant", "tool"}) {
    if (role == same) return same;
  }
  if (role == "human") return "user";
  if (role == "gpt" || role == "bot") return "assistant";
  if (role == "tool_call" || role == "function_call") return "call";
  for (const std::string_view name :
       {"tool_response", "function_response", "observation", "observations"}) {
    if (role == name) return "tool";
  }
  return "";
}

JsonValue text_of(JsonValue* content, bool may_be_json, const std::string& where) {
  if (content == nullptr || content->is_null())
    throw RowError(fmt::format("{}: no content", where));
  if (content->is_string()) return std::move(*content);
  if (may_be_json) return JsonValue::make_string(to_json(*content));
  std::string joined;
  if (content->is_array() && join_text_parts(*content, joined)) {
    return JsonValue::make_string(std::move(joined));
  }
  throw RowError(fmt::format("{}: content is {}", where, describe(content->kind())));
}

/// A call in a message of its own: an object with a name and arguments.
void append_call(const JsonValue& content, const std::string& where, JsonValue& calls) {
  JsonValue call = parse_value(content.text(), where + ": content");
  JsonValue* name = call.find("name");
  if (name == nullptr) throw RowError(fmt::format("{}: the call has no name", where));
  JsonValue* arguments = call.find("arguments");
  if (arguments == nullptr || arguments->is_null()) arguments = call.find("parameters");
  if (arguments == nullptr || arguments->is_null()) {
    throw RowError(fmt::format("{}: the call has no arguments", where));
  }
  JsonValue parsed = arguments->is_string() ? parse_value(arguments->text(), where + ": arguments")
                                            : std::move(*arguments);
  if (parsed.is_null()) throw RowError(fmt::format("{}: the call has no arguments", where));
  calls.array().push_back(
      JsonValue::make_object({{"name", std::move(*name)}, {"arguments", std::move(parsed)}}));
}

std::optional<float> loss_of(const JsonValue& message, const std::string& where) {
  const JsonValue& loss = message.get("loss");
  if (loss.is_absent()) return std::nullopt;
  if (loss.is_boolean()) return loss.boolean() ? 1.0F : 0.0F;
  if (loss.is_number()) {
    const auto weight = static_cast<float>(loss.number());
    if (std::isfinite(weight)) return std::max(weight, 0.0F);  // below 0 counts as no loss there
  }
  throw RowError(fmt::format("{}: loss is {}", where, describe(loss.kind())));
}

}  // namespace

bool join_text_parts(const JsonValue& content, std::string& out) {
  for (const JsonValue& part : content.array()) {
    const JsonValue& type = part.get("type");
    const JsonValue& text = part.get("text");
    if (!type.is_string() || type.text() != "text" || !text.is_string()) return false;
    out += text.text();
  }
  return true;
}

void parse_as_swift(JsonValue& value, Row& row) {
  JsonValue* messages = last_of(value, {"messages", "conversation", "conversations"});
  if (messages == nullptr || !messages->is_array() || messages->array().empty()) {
    throw RowError("no messages: the row has no \"messages\" list with something in it");
  }
  bool call_goes_on = false;  // calls that follow each other are one message
  for (std::size_t i = 0; i < messages->array().size(); ++i) {
    JsonValue& given = messages->array()[i];
    std::string where = fmt::format("messages[{}]", i);
    const JsonValue* role_value = last_of(given, {"role", "from"});
    if (role_value == nullptr || !role_value->is_string()) {
      throw RowError(fmt::format("{} has no role", where));
    }
    const std::string_view role = known_role(role_value->text());
    if (role.empty()) {
      throw RowError(fmt::format("{}: unknown role \"{}\"", where, role_value->text()));
    }
    where += fmt::format(" ({})", role_value->text());
    const bool call = role == "call";
    JsonValue content =
        text_of(last_of(given, {"content", "value"}), call || role == "tool", where);
    Message message;
    message.role = call ? "assistant" : std::string(role);
    message.loss = loss_of(given, where);
    if (call && call_goes_on) {
      append_call(content, where, row.messages.back().tool_calls);
      continue;
    }
    if (call) {
      message.tool_calls = JsonValue::make_array();
      append_call(content, where, message.tool_calls);
      content = JsonValue::make_string("");
      message.loss.reset();
    }
    message.content = std::move(content);
    row.messages.push_back(std::move(message));
    call_goes_on = call;
  }
  JsonValue* system = last_of(value, {"system", "system_prompt"});
  if (system != nullptr && !system->is_null() && row.messages.front().role != "system") {
    if (!system->is_string()) {
      throw RowError(fmt::format("system is {}", describe(system->kind())));
    }
    row.messages.insert(row.messages.begin(), Message{"system", std::move(*system), {}, {}, {}});
  }
  JsonValue* tools = value.find("tools");
  row.has_tools_list = tools != nullptr && !tools->is_null();
  row.tools =
      normalize_tools(row.has_tools_list ? std::move(*tools) : JsonValue(), BareTool::untyped);
}

}  // namespace longhaul
