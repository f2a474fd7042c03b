#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/row.h"

namespace longhaul {

/// A part of a rendered conversation that is tokenized by itself.
struct Piece {
  enum class Kind : std::uint8_t {
    context,  // what the model reads
    output    // what the model writes: from where generation starts to <|im_end|>, included
  };

  std::size_t begin = 0;  // bytes of RenderedRow::text
  std::size_t end = 0;
  Kind kind = Kind::context;
  std::int32_t message = -1;  // index of the message that an output piece comes from
  float weight = 0.0F;        // loss weight of its tokens; set by the LossPolicy
};

/// The text of a conversation. The pieces are not empty, and cover it without gaps, in order.
struct RenderedRow {
  std::string text;
  std::vector<Piece> pieces;
};

/// Which dialect of rendering. `hf` is byte-equal to the chat_template that the model publishes.
/// Another dialect (that of another training stack, say) is a further value here, a ChatTemplate
/// of its own, and a case in make_chat_template and parse_template_mode.
enum class TemplateMode : std::uint8_t { hf };

/// The published templates that are known.
enum class TemplateFamily : std::uint8_t {
  qwen25,       // Qwen2.5-*-Instruct
  qwen25_base,  // Qwen2.5 base models: another default system message
  qwen3,        // Qwen3, as it is now
  qwen3_first,  // Qwen3, as first released: fails where content is not a string
};

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

std::unique_ptr<ChatTemplate> make_chat_template(TemplateMode mode, TemplateFamily family);

/// "hf" -> TemplateMode::hf. Throws UserError naming --template_mode and the known values.
TemplateMode parse_template_mode(std::string_view text);
std::string_view name_of(TemplateMode mode);

/// "auto" -> nullopt, else "qwen2.5", "qwen2.5-base", "qwen3" or "qwen3-first". Throws UserError
/// naming
/// --chat_template and the known values.
std::optional<TemplateFamily> parse_template_family(std::string_view text);
std::string_view name_of(TemplateFamily family);

/// The template of a model directory, recognised by its SHA-256: chat_template.jinja if there is
/// one, else "chat_template" of tokenizer_config.json (a string, or a list with an entry named
/// "default"). Where there is neither, "model_type" of config.json decides: qwen2 -> Qwen2.5,
/// qwen3 -> the current Qwen3. Throws UserError for a template that is not known.
TemplateFamily detect_template(const std::filesystem::path& model_dir);

}  // namespace longhaul
