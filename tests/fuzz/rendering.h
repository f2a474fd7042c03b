#pragma once

#include <memory>
#include <vector>

#include "data/chat_template.h"
#include "data/utf8.h"
#include "fuzz_support.h"

namespace longhaul::fuzz {

/// Every template that there is.
inline const std::vector<std::unique_ptr<ChatTemplate>>& all_templates() {
  static const auto templates = [] {
    std::vector<std::unique_ptr<ChatTemplate>> all;
    for (const TemplateMode mode : {TemplateMode::hf}) {
      for (const TemplateFamily family : {TemplateFamily::qwen25, TemplateFamily::qwen25_base,
                                          TemplateFamily::qwen3, TemplateFamily::qwen3_first}) {
        all.push_back(make_chat_template(mode, family));
      }
    }
    return all;
  }();
  return templates;
}

/// Renders a row with every template.
inline void render_with_all(const Row& row) {
  for (const auto& chat_template : all_templates()) {
    RenderedRow rendered;
    try {
      rendered = chat_template->render(row);
    } catch (const RowError& error) {
      const std::string_view reason = error.what();
      require(!reason.empty() && reason.size() < 500, "a short reason");
      require(find_invalid_utf8(reason) == std::string_view::npos, "a reason in UTF-8");
      continue;
    }
    require(find_invalid_utf8(rendered.text) == std::string_view::npos, "rendered text is UTF-8");
    std::size_t end = 0;
    for (const Piece& piece : rendered.pieces) {
      require(piece.begin == end && piece.end > piece.begin, "pieces are not empty, without gaps");
      end = piece.end;
      const bool output = piece.kind == Piece::Kind::output;
      require(output == (piece.message >= 0), "output comes from a message, and only output");
      require(piece.message < static_cast<std::int32_t>(row.messages.size()), "a message that is");
    }
    require(end == rendered.text.size(), "pieces cover the text");
  }
}

}  // namespace longhaul::fuzz
