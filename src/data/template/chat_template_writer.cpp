#include "data/template/chat_template_writer.h"

#include "core/error.h"
#include "data/json/json_print.h"

namespace longhaul {

bool is_wrapped_tool_response(std::string_view content) {
  constexpr std::string_view kOpen = "<tool_response>";
  constexpr std::string_view kClose = "</tool_response>";
  return content.substr(0, kOpen.size()) == kOpen && content.size() >= kClose.size() &&
         content.substr(content.size() - kClose.size()) == kClose;
}

TemplateWriter::TemplateWriter(const Row& row) : row_(row) {
  for (std::size_t i = 0; i < row.messages.size(); ++i) {
    const Message& message = row.messages[i];
    if (message.role != "user") continue;
    if (message.content.is_string() && is_wrapped_tool_response(message.content.text())) continue;
    last_user_ = static_cast<std::int32_t>(i);
  }
}

void TemplateWriter::print(const JsonValue& value, std::size_t message) {
  if (!append_python_str(out_.text, value)) {
    refuse(message,
           "a value that is not a string would be printed in Python's notation, which is "
           "not defined for its characters; write it as a string");
  }
}

void TemplateWriter::json(const JsonValue& value, std::size_t message) {
  if (value.is_undefined()) refuse(message, "a tool call has no arguments");
  append_json(out_.text, value);
}

void TemplateWriter::content(std::size_t message) {
  const JsonValue& value = row_.messages[message].content;
  if (!value.is_string()) {
    refuse(message,
           fmt::format("content is {}; this template needs a string", describe(value.kind())));
  }
  out_.text += value.text();
}

void TemplateWriter::tools() {
  if (!row_.tools.is_array()) {
    throw RowError(fmt::format("tools is {}; a list is expected", describe(row_.tools.kind())));
  }
  text(kToolsHead);
  for (const JsonValue& tool : row_.tools.array()) {
    text("\n");
    append_json(out_.text, tool);
  }
  text(kToolsTail);
  text("<|im_end|>\n");
}

void TemplateWriter::tool_response(std::size_t message, const JsonValue& content) {
  const auto& messages = row_.messages;
  if (message == 0 || messages[message - 1].role != "tool") text("<|im_start|>user");
  text("\n<tool_response>\n");
  print(content, message);
  text("\n</tool_response>");
  if (message + 1 == messages.size() || messages[message + 1].role != "tool") {
    text("<|im_end|>\n");
  }
}

void TemplateWriter::begin_output(std::size_t message) {
  close_piece(Piece::Kind::context);
  output_message_ = static_cast<std::int32_t>(message);
}

void TemplateWriter::end_turn(std::string_view words) {
  close_piece(Piece::Kind::output);
  text(words);
  close_piece(Piece::Kind::turn_end);
  output_message_ = -1;
}

RenderedRow TemplateWriter::finish() {
  close_piece(Piece::Kind::context);
  return std::move(out_);
}

void TemplateWriter::refuse(std::size_t message, std::string_view what) const {
  throw RowError(fmt::format("messages[{}] ({}): {}", message, row_.messages[message].role, what));
}

void TemplateWriter::close_piece(Piece::Kind kind) {
  if (out_.text.size() > piece_begin_) {
    out_.pieces.push_back({piece_begin_, out_.text.size(), kind, output_message_,
                           output_message_ > last_user_, 0.0F});
  }
  piece_begin_ = out_.text.size();
}

}  // namespace longhaul
