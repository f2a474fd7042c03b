#pragma once

#include <string>
#include <string_view>

#include "data/template/chat_template.h"

namespace longhaul {

// What the published templates say around the tools; the same words in all of them.
inline constexpr std::string_view kToolsHead =
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are "
    "provided with function signatures within <tools></tools> XML tags:\n<tools>";
inline constexpr std::string_view kToolsTail =
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, "
    "\"arguments\": <args-json-object>}\n</tool_call>";

/// Is a user message nothing but a tool's answer in its tags?
bool is_wrapped_tool_response(std::string_view content);

/// Collects the text of a conversation and where the model's own output begins and ends.
class TemplateWriter {
 public:
  explicit TemplateWriter(const Row& row);

  void text(std::string_view part) { out_.text += part; }
  /// value as Jinja prints it: a string as it is, null as "None", nothing for undefined.
  void print(const JsonValue& value, std::size_t message);
  /// value | tojson
  void json(const JsonValue& value, std::size_t message);
  /// A message's content where the template adds it to another string; RowError if it is none.
  void content(std::size_t message);

  /// The tools, one a line, between kToolsHead and kToolsTail.
  void tools();
  /// A tool's answer; consecutive ones share one user block.
  void tool_response(std::size_t message, const JsonValue& content);

  /// From here on the model writes message number `message`.
  void begin_output(std::size_t message);
  /// The model's last words in this turn: "<|im_end|>".
  void end_turn(std::string_view words);
  /// Returns the finished row.
  RenderedRow finish();

  /// Throws RowError about a message.
  [[noreturn]] void refuse(std::size_t message, std::string_view what) const;

 private:
  void close_piece(Piece::Kind kind);

  const Row& row_;
  RenderedRow out_;
  std::size_t piece_begin_ = 0;
  std::int32_t output_message_ = -1;
  std::int32_t last_user_ = -1;  // index of the last user message that is no tool's answer
};

}  // namespace longhaul
