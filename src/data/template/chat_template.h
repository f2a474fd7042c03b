#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/options/choices.h"
#include "data/rows/row.h"
#include "data/template/loss_scale.h"
#include "data/template/thinking_policy.h"

namespace longhaul {

/// A part of a rendered conversation that is tokenized by itself.
struct Piece {
  enum class Kind : std::uint8_t {
    context,  // what the model reads
    output,   // what the model writes, from where generation starts
    turn_end  // with which it ends its turn: <|im_end|>
  };

  std::size_t begin = 0;  // bytes of RenderedRow::text
  std::size_t end = 0;
  Kind kind = Kind::context;
  std::int32_t message = -1;  // index of the message that an output or turn_end comes from
  bool last_round = false;    // of those: no user message follows, as the dialect counts
  float weight = 0.0F;        // loss weight of its tokens; set by the LossPolicy
};

/// The text of a conversation. The pieces are not empty, and cover it without gaps, in order.
struct RenderedRow {
  std::string text;
  std::vector<Piece> pieces;
  /// Why the replaced stack would have dropped this row; empty when it would not have, and in hf.
  std::string note;
};

/// Which dialect of rendering.
enum class TemplateMode : std::uint8_t {
  hf,          // byte-equal to the chat_template that the model publishes
  swift_3_13,  // as ms-swift 3.13 renders a conversation for training
  swift_3_7    // as ms-swift 3.7 does
};

inline constexpr std::array<Choice<TemplateMode>, 3> kTemplateModes{
    {{TemplateMode::hf, "hf"},
     {TemplateMode::swift_3_13, "swift-3.13"},
     {TemplateMode::swift_3_7, "swift-3.7"}}};

/// The published templates that are known.
enum class TemplateFamily : std::uint8_t {
  qwen25,       // Qwen2.5-*-Instruct
  qwen25_base,  // Qwen2.5 base models: another default system message
  qwen3,        // Qwen3, as it is now
  qwen3_first,  // Qwen3, as first released: fails where content is not a string
};

inline constexpr std::array<Choice<TemplateFamily>, 4> kTemplateFamilies{
    {{TemplateFamily::qwen25, "qwen2.5"},
     {TemplateFamily::qwen25_base, "qwen2.5-base"},
     {TemplateFamily::qwen3, "qwen3"},
     {TemplateFamily::qwen3_first, "qwen3-first"}}};

/// Turns a row into text. Immutable, shared between threads.
class ChatTemplate {
 public:
  ChatTemplate() = default;
  virtual ~ChatTemplate() = default;
  ChatTemplate(const ChatTemplate&) = delete;
  ChatTemplate& operator=(const ChatTemplate&) = delete;

  /// Throws RowError for a row that the template refuses. Messages with an unknown role are left
  /// out, as the published templates do; rows in training form have none.
  [[nodiscard]] virtual RenderedRow render(const Row& row) const = 0;
};

struct TemplateOptions {
  TemplateMode mode = TemplateMode::hf;
  TemplateFamily family = TemplateFamily::qwen3;
  ThinkingPolicy thinking = ThinkingPolicy::as_template;
  LossScale loss_scale;        // in the swift dialects it decides which reasoning is kept
  bool strict_parity = false;  // swift dialects: refuse what that stack drops
};

/// Throws UserError for a thinking policy that the family has no place for.
std::unique_ptr<ChatTemplate> make_chat_template(const TemplateOptions& options);

/// Throws UserError naming --template_mode and its choices for another text.
TemplateMode parse_template_mode(std::string_view text);
std::string_view name_of(TemplateMode mode);

/// "auto" -> nullopt. Throws UserError naming --chat_template and its choices for another text.
std::optional<TemplateFamily> parse_template_family(std::string_view text);
std::string_view name_of(TemplateFamily family);

/// The template of a model directory, recognised by its SHA-256: chat_template.jinja if there is
/// one, else "chat_template" of tokenizer_config.json (a string, or a list with an entry named
/// "default"). Where there is neither, "model_type" of config.json decides: qwen2 -> Qwen2.5,
/// qwen3 -> the current Qwen3. Throws UserError for a template that is not known.
TemplateFamily detect_template(const std::filesystem::path& model_dir);

}  // namespace longhaul
