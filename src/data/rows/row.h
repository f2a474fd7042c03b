#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/json/json_value.h"

namespace longhaul {

/// One turn of a conversation. In a training row `role` is system, user, assistant or tool,
/// `content` and `reasoning_content` are strings (reasoning_content may be undefined) and
/// `tool_calls` is a list of {"name", "arguments"} objects or undefined. In a verbatim row they are
/// whatever the row had, undefined where it had nothing.
struct Message {
  std::string role;
  JsonValue content;
  JsonValue reasoning_content;
  JsonValue tool_calls;
  std::optional<float> loss;  // this turn's loss weight, where the row sets one
};

/// One conversation.
struct Row {
  std::string id;
  JsonValue tools;  // a list, empty when there are none; verbatim rows: whatever the row had
  bool has_tools_list = false;  // training rows: the row gave one, be it empty
  std::vector<Message> messages;
  /// Why the replaced stack would have dropped this row for its form; empty when it would not.
  std::string note;
  // What apply_chat_template takes besides; for `longhaul data render`.
  bool verbatim = false;
  bool add_generation_prompt = false;
  std::optional<bool> enable_thinking;
  // Where it comes from.
  std::string file;
  std::int64_t line = 0;  // from 1
};

/// A row that is not used, and why.
struct RejectedRow {
  std::string file;
  std::int64_t line = 0;
  std::string id;  // empty when the line does not even give that
  std::string reason;
};

/// Why one row cannot be used: a short text for rejected.jsonl that needs no file or line.
class RowError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace longhaul
