#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/template/chat_template.h"
#include "data/template/loss_policy.h"
#include "data/text/utf8.h"
#include "fuzz_support.h"

namespace longhaul::fuzz {

/// A template, and what sets the weights of its text.
struct Renderer {
  std::unique_ptr<ChatTemplate> chat_template;
  LossPolicy policy;
};

/// Every template that there is, with all settings that change it.
inline const std::vector<Renderer>& all_renderers() {
  static const auto renderers = [] {
    std::vector<Renderer> all;
    const auto add = [&](const TemplateOptions& options) {
      all.push_back({make_chat_template(options),
                     LossPolicy(options.loss_scale, options.mode, options.strict_parity)});
    };
    for (const TemplateMode mode :
         {TemplateMode::hf, TemplateMode::swift_3_13, TemplateMode::swift_3_7}) {
      for (const TemplateFamily family : {TemplateFamily::qwen25, TemplateFamily::qwen25_base,
                                          TemplateFamily::qwen3, TemplateFamily::qwen3_first}) {
        for (const char* scale :
             {"default", "last_round", "all+hermes", "last_round+ignore_empty_think+hermes"}) {
          add({.mode = mode, .family = family, .loss_scale = parse_loss_scale(scale)});
        }
      }
      for (const ThinkingPolicy thinking : {ThinkingPolicy::keep, ThinkingPolicy::strip_history}) {
        add({.mode = mode, .family = TemplateFamily::qwen3, .thinking = thinking});
      }
      if (mode != TemplateMode::hf) add({.mode = mode, .strict_parity = true});
    }
    return all;
  }();
  return renderers;
}

inline void check_pieces(const RenderedRow& rendered, const Row& row) {
  std::size_t end = 0;
  for (const Piece& piece : rendered.pieces) {
    require(piece.begin == end && piece.end > piece.begin, "pieces are not empty, without gaps");
    end = piece.end;
    require(piece.message < static_cast<std::int32_t>(row.messages.size()), "a message that is");
  }
  require(end == rendered.text.size(), "pieces cover the text");
}

/// Renders a row with every template.
inline void render_with_all(const Row& row) {
  for (const Renderer& renderer : all_renderers()) {
    RenderedRow rendered;
    try {
      rendered = renderer.chat_template->render(row);
    } catch (const RowError& error) {
      const std::string_view reason = error.what();
      require(!reason.empty() && reason.size() < 500, "a short reason");
      require(find_invalid_utf8(reason) == std::string_view::npos, "a reason in UTF-8");
      continue;
    }
    require(find_invalid_utf8(rendered.text) == std::string_view::npos, "rendered text is UTF-8");
    check_pieces(rendered, row);
    for (const Piece& piece : rendered.pieces) {
      const bool context = piece.kind == Piece::Kind::context;
      require(context == (piece.message < 0), "output comes from a message, and only output");
    }
    const std::string text = rendered.text;
    renderer.policy.apply(row, rendered);
    require(rendered.text == text, "weights leave the text alone");
    check_pieces(rendered, row);
    for (const Piece& piece : rendered.pieces) require(piece.weight >= 0.0F, "a weight");
  }
}

}  // namespace longhaul::fuzz
