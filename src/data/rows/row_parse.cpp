#include "data/rows/row_parse.h"

#include <array>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <utility>

#include "core/error.h"
#include "data/json/json_print.h"
#include "data/rows/row_parse_swift.h"
#include "data/rows/row_tools.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

enum class Role : std::uint8_t { system, user, assistant, call, tool };

constexpr std::array<std::pair<std::string_view, Role>, 16> kRoles{{
    {"system", Role::system},
    {"user", Role::user},
    {"human", Role::user},
    {"assistant", Role::assistant},
    {"gpt", Role::assistant},
    {"bot", Role::assistant},
    {"tool_call", Role::call},
    {"function_call", Role::call},
    {"function-call", Role::call},
    {"tool", Role::tool},
    {"tool_response", Role::tool},
    {"function", Role::tool},
    {"function_response", Role::tool},
    {"function-response", Role::tool},
    {"observation", Role::tool},
    {"observations", Role::tool},
}};

std::optional<Role> role_named(std::string_view name) {
  for (const auto& [known, role] : kRoles) {
    if (known == name) return role;
  }
  return std::nullopt;
}

std::string_view template_name(Role role) {
  switch (role) {
    case Role::system:
      return "system";
    case Role::user:
      return "user";
    case Role::tool:
      return "tool";
    case Role::assistant:
    case Role::call:
      break;
  }
  return "assistant";
}

/// The member that goes by one of `names`; null when there is none, RowError when there are two.
JsonValue* find_one_of(JsonValue& object, std::initializer_list<std::string_view> names,
                       const std::string& where) {
  JsonValue* found = nullptr;
  std::string_view found_name;
  for (const std::string_view name : names) {
    JsonValue* value = object.find(name);
    if (value == nullptr || value->is_null()) continue;
    if (found != nullptr) {
      throw RowError(
          fmt::format("{} has both \"{}\" and \"{}\"; keep one", where, found_name, name));
    }
    found = value;
    found_name = name;
  }
  return found;
}

JsonValue take(JsonValue* value) { return value == nullptr ? JsonValue() : std::move(*value); }

/// A message's content as a string; undefined when it is absent.
JsonValue content_text(JsonValue content, Role role, RowForm form, const std::string& where) {
  if (content.is_absent()) return {};
  if (content.is_string()) return content;
  const bool parts = content.is_array() && !content.array().empty();
  if (form == RowForm::swift && role == Role::tool) {
    return JsonValue::make_string(to_json(content));
  }
  if (parts && (form == RowForm::swift || content.array().size() == 1)) {
    std::string joined;
    if (join_text_parts(content, joined)) return JsonValue::make_string(std::move(joined));
  }
  throw RowError(
      fmt::format("{}: content is {}; a string is expected", where, describe(content.kind())));
}

std::optional<float> loss_weight(JsonValue& message, const std::string& where) {
  const JsonValue* loss = find_one_of(message, {"loss", "weight"}, where);
  if (loss == nullptr) return std::nullopt;
  if (loss->is_boolean()) return loss->boolean() ? 1.0F : 0.0F;
  if (loss->is_number()) {
    const auto weight = static_cast<float>(loss->number());
    if (std::isfinite(weight) && weight >= 0.0F) return weight;
  }
  throw RowError(
      fmt::format("{}: loss must be true, false or a number that is not negative", where));
}

/// Builds the messages of a training row.
class ConversationParser {
 public:
  ConversationParser(Row& row, RowForm form) : row_(row), out_(row.messages), form_(form) {}

  void add(JsonValue& message, std::size_t index);

 private:
  void add_assistant(JsonValue& message, JsonValue content, std::optional<float> loss);
  void add_call(JsonValue content, std::optional<float> loss);

  Row& row_;
  std::vector<Message>& out_;
  RowForm form_;
  std::string where_;  // "messages[2]"
};

void ConversationParser::add(JsonValue& message, std::size_t index) {
  where_ = fmt::format("messages[{}]", index);
  if (!message.is_object()) {
    throw RowError(
        fmt::format("{} is {}; an object is expected", where_, describe(message.kind())));
  }
  const JsonValue* role_value = find_one_of(message, {"role", "from"}, where_);
  if (role_value == nullptr || !role_value->is_string()) {
    throw RowError(fmt::format("{} has no role", where_));
  }
  const std::string role_text = role_value->text();
  const std::optional<Role> role = role_named(role_text);
  if (!role) {
    throw RowError(fmt::format(
        "{}: unknown role \"{}\" (known: system, user, assistant, tool and their aliases)", where_,
        abridge(role_text)));
  }
  where_ += fmt::format(" ({})", role_text);
  const std::optional<float> loss = loss_weight(message, where_);
  JsonValue content = take(find_one_of(message, {"content", "value"}, where_));
  if (*role == Role::call) return add_call(std::move(content), loss);
  if (*role == Role::assistant) return add_assistant(message, std::move(content), loss);

  if (loss.value_or(0.0F) > 0.0F) {
    throw RowError(fmt::format("{}: only assistant messages can carry loss", where_));
  }
  if (message.get("tool_calls").truthy()) {
    throw RowError(fmt::format("{}: only assistant messages can have tool_calls", where_));
  }
  content = content_text(std::move(content), *role, form_, where_);
  if (content.is_undefined()) {
    throw RowError(
        fmt::format("{}: content is missing or null; write \"\" for an empty one", where_));
  }
  out_.push_back({std::string(template_name(*role)), std::move(content), {}, {}, std::nullopt});
}

void ConversationParser::add_assistant(JsonValue& message, JsonValue content,
                                       std::optional<float> loss) {
  content = content_text(std::move(content), Role::assistant, form_, where_);
  JsonValue reasoning = take(message.find("reasoning_content"));
  if (!reasoning.is_absent() && !reasoning.is_string()) {
    throw RowError(fmt::format("{}: reasoning_content is {}; a string is expected", where_,
                               describe(reasoning.kind())));
  }
  JsonValue calls = JsonValue::make_array();
  JsonValue* given_calls = find_one_of(message, {"tool_calls", "function_call"}, where_);
  if (given_calls != nullptr)
    append_tool_calls(std::move(*given_calls), where_ + ".tool_calls", calls);
  if (content.is_undefined()) {
    if (calls.array().empty() && !reasoning.is_string()) {
      throw RowError(
          fmt::format("{}: neither content nor reasoning_content nor tool_calls", where_));
    }
    if (row_.note.empty()) row_.note = fmt::format("{}: no content", where_);
    content = JsonValue::make_string("");
  }
  out_.push_back({"assistant", std::move(content),
                  reasoning.is_string() ? std::move(reasoning) : JsonValue(),
                  calls.array().empty() ? JsonValue() : std::move(calls), loss});
}

/// A call in a message of its own belongs to the assistant turn before it, if there is one.
void ConversationParser::add_call(JsonValue content, std::optional<float> loss) {
  if (content.is_string()) content = parse_value(content.text(), where_ + ": content");
  const bool continues = !out_.empty() && out_.back().role == "assistant";
  if (!continues) {
    out_.push_back({"assistant", JsonValue::make_string(""), {}, {}, loss});
  } else if (loss.has_value() && loss != out_.back().loss) {
    throw RowError(fmt::format("{}: loss differs from that of the turn it belongs to", where_));
  }
  JsonValue& calls = out_.back().tool_calls;
  if (calls.is_undefined()) calls = JsonValue::make_array();
  append_tool_calls(std::move(content), where_ + ".content", calls);
}

BareTool bare_tool(RowForm form) {
  switch (form) {
    case RowForm::swift:
      return BareTool::untyped;
    case RowForm::training:
    case RowForm::swift_strict:
    case RowForm::verbatim:
      break;
  }
  return BareTool::named;
}

void parse_training(JsonValue& value, RowForm form, Row& row) {
  JsonValue* messages =
      find_one_of(value, {"messages", "conversations", "conversation"}, "the row");
  if (messages == nullptr) throw RowError("no messages: the row has no \"messages\" list");
  if (!messages->is_array()) {
    throw RowError(fmt::format("messages is {}; a list is expected", describe(messages->kind())));
  }
  if (messages->array().empty()) throw RowError("no messages: the list is empty");
  row.messages.reserve(messages->array().size() + 1);
  ConversationParser parser(row, form);
  for (std::size_t i = 0; i < messages->array().size(); ++i) parser.add(messages->array()[i], i);

  JsonValue* system = find_one_of(value, {"system", "system_prompt"}, "the row");
  if (system != nullptr) {
    if (!system->is_string()) {
      throw RowError(fmt::format("system is {}; a string is expected", describe(system->kind())));
    }
    // An empty text counts as none, but ms-swift takes it for an empty system message.
    const bool counts = !system->text().empty() || form == RowForm::swift;
    if (counts && row.messages.front().role != "system") {
      row.messages.insert(row.messages.begin(), Message{"system", std::move(*system), {}, {}, {}});
    }
  }
  row.has_tools_list = !value.get("tools").is_absent();
  row.tools = normalize_tools(take(value.find("tools")), bare_tool(form));
}

void parse_verbatim(JsonValue& value, Row& row) {
  row.verbatim = true;
  JsonValue* messages = value.find("messages");
  if (messages == nullptr || !messages->is_array()) {
    throw RowError("no messages: the row has no \"messages\" list");
  }
  row.messages.reserve(messages->array().size());
  for (std::size_t i = 0; i < messages->array().size(); ++i) {
    JsonValue& given = messages->array()[i];
    Message message;
    if (given.get("role").is_string()) message.role = given.get("role").text();
    message.loss = loss_weight(given, fmt::format("messages[{}]", i));
    message.content = take(given.find("content"));
    message.reasoning_content = take(given.find("reasoning_content"));
    message.tool_calls = take(given.find("tool_calls"));
    row.messages.push_back(std::move(message));
  }
  row.tools = take(value.find("tools"));
  row.add_generation_prompt = value.get("add_generation_prompt").truthy();
  const JsonValue& thinking = value.get("enable_thinking");
  if (thinking.is_boolean()) row.enable_thinking = thinking.boolean();
}

}  // namespace

std::string row_id(const JsonValue& value) {
  const JsonValue& id = value.get("id");
  return id.is_string() || id.is_number() ? id.text() : "";
}

Row parse_row(JsonValue value, RowForm form) {
  if (!value.is_object()) {
    throw RowError(fmt::format("the line is {}, not an object", describe(value.kind())));
  }
  Row row;
  row.id = row_id(value);
  switch (form) {
    case RowForm::training:
    case RowForm::swift:
      parse_training(value, form, row);
      break;
    case RowForm::swift_strict:
      parse_as_swift(value, row);
      break;
    case RowForm::verbatim:
      parse_verbatim(value, row);
      break;
  }
  return row;
}

}  // namespace longhaul
