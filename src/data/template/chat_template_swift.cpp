#include "data/template/chat_template_swift.h"

#include "core/error.h"
#include "data/json/json_print.h"
#include "data/template/chat_template_writer.h"
#include "data/template/swift_turns.h"

namespace longhaul {
namespace {

using Role = SwiftTurn::Role;

constexpr std::string_view kAnswerHead = "<|im_start|>assistant\n";

/// The text so far and its pieces.
class Output {
 public:
  void context(std::string_view words) { add(words, Piece::Kind::context, -1, false); }
  void add(std::string_view words, Piece::Kind kind, std::int32_t message, bool last_round) {
    if (words.empty()) return;
    const std::size_t begin = row_.text.size();
    row_.text += words;
    row_.pieces.push_back({begin, row_.text.size(), kind, message, last_round, 0.0F});
  }
  RenderedRow finish(std::string note) {
    row_.note = std::move(note);
    return std::move(row_);
  }

 private:
  RenderedRow row_;
};

class SwiftTemplate final : public ChatTemplate {
 public:
  SwiftTemplate(const TemplateOptions& options, bool thinks) : options_(options), thinks_(thinks) {}
  [[nodiscard]] RenderedRow render(const Row& row) const override;

 private:
  [[nodiscard]] std::string system_of(const Row& row) const;
  void write_answer(Output& out, const std::vector<SwiftTurn>& turns, std::size_t index) const;

  TemplateOptions options_;
  bool thinks_;
};

std::string SwiftTemplate::system_of(const Row& row) const {
  std::string system;
  if (row.messages[0].role == "system") {
    system = row.messages[0].content.text();
  } else if (!thinks_) {
    system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  }
  // 3.7 writes the section for an empty list, too.
  const bool section =
      options_.mode == TemplateMode::swift_3_7 ? row.has_tools_list : row.tools.truthy();
  if (!section) return system;
  system.append("\n\n").append(kToolsHead).append("\n");
  for (std::size_t i = 0; i < row.tools.array().size(); ++i) {
    if (i > 0) system += '\n';
    append_json(system, row.tools.array()[i]);
  }
  system += kToolsTail;
  return system;
}

void write_results(Output& out, const SwiftTurn& turn) {
  if (turn.in_answer) {
    for (std::size_t i = 0; i < turn.results.size(); ++i) {
      if (i > 0) out.context("Observation:");
      out.context(turn.results[i]);
      if (turn.results[i].empty() || turn.results[i].back() != '\n') out.context("\n");
    }
    return;
  }
  out.context("<|im_start|>user\n");
  for (std::size_t i = 0; i < turn.results.size(); ++i) {
    if (i > 0) out.context("\n");
    out.context("<tool_response>\n");
    out.context(turn.results[i]);
    out.context("\n</tool_response>");
  }
  out.context("<|im_end|>\n");
}

void SwiftTemplate::write_answer(Output& out, const std::vector<SwiftTurn>& turns,
                                 std::size_t index) const {
  const bool modern = options_.mode == TemplateMode::swift_3_13;
  const TurnText& turn = turns[index].text;
  const std::string_view text = turn.text();
  const bool last = index + 1 == turns.size();
  const bool last_round =
      modern ? static_cast<std::ptrdiff_t>(index) > last_user_turn(turns) : last;
  std::int32_t message = -1;
  for (std::size_t i = 0; i < turn.parts().size(); ++i) {
    const std::size_t begin = turn.parts()[i].begin;
    const std::size_t end = i + 1 < turn.parts().size() ? turn.parts()[i + 1].begin : text.size();
    message = static_cast<std::int32_t>(turn.parts()[i].message);
    out.add(text.substr(begin, end - begin), Piece::Kind::output, message, last_round);
  }
  if (!last && turns[index + 1].role == Role::tool && turns[index + 1].in_answer) return;
  const auto ends_with = [&](std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
  };
  // 3.13 takes an answer that ends with a stop word for complete.
  if (last && modern && (ends_with("<|im_end|>") || ends_with("<|endoftext|>"))) return;
  out.add(modern ? "<|im_end|>\n" : "<|im_end|>", Piece::Kind::turn_end, message, last_round);
  if (!modern && !last) out.context("\n");
}

RenderedRow SwiftTemplate::render(const Row& row) const {
  if (row.messages.empty()) throw RowError("no messages: the list is empty");
  if (row.verbatim) {
    throw RowError(
        fmt::format("a row in the form of apply_chat_template needs --template_mode hf, not {}",
                    name_of(options_.mode)));
  }
  const std::vector<SwiftTurn> turns = swift_turns(row, options_, thinks_);
  if (turns.empty()) throw RowError("no messages: there is only a system message");
  std::string note = row.note.empty() ? why_swift_drops(turns) : row.note;
  if (options_.strict_parity && !note.empty()) {
    throw RowError(fmt::format("{} drops it: {}", name_of(options_.mode), note));
  }
  Output out;
  const std::string system = system_of(row);
  if (!system.empty()) {
    out.context("<|im_start|>system\n");
    out.context(system);
    out.context("<|im_end|>\n");
  }
  if (turns[0].role == Role::assistant) {
    out.context("<|im_start|>user\n<|im_end|>\n");
    out.context(kAnswerHead);
  }
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const SwiftTurn& turn = turns[i];
    const bool last = i + 1 == turns.size();
    const bool answered = last || turns[i + 1].role == Role::assistant;
    switch (turn.role) {
      case Role::assistant:
        write_answer(out, turns, i);
        break;
      case Role::tool:
        write_results(out, turn);
        if (turn.in_answer && !answered) out.context("<|im_end|>\n");
        if (!turn.in_answer && answered) out.context(kAnswerHead);
        break;
      case Role::system:
      case Role::user:
        out.context(turn.role == Role::user ? "<|im_start|>user\n" : "<|im_start|>system\n");
        out.context(turn.text.text());
        out.context("<|im_end|>\n");
        if (answered) out.context(kAnswerHead);
        break;
    }
  }
  return out.finish(std::move(note));
}

}  // namespace

std::unique_ptr<ChatTemplate> make_swift_template(const TemplateOptions& options, bool thinks) {
  return std::make_unique<SwiftTemplate>(options, thinks);
}

}  // namespace longhaul
