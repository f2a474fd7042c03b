#pragma once

#include <memory>

#include "data/template/chat_template.h"

namespace longhaul {

/// The dialects swift-3.13 and swift-3.7 of --template_mode, for rows in training form
/// (docs/data.md has the differences). A row that ms-swift drops for the order of its messages is
/// rendered as the published templates would, with a note; with strict_parity it is refused.
/// thinks: the model's template knows <think>.
std::unique_ptr<ChatTemplate> make_swift_template(const TemplateOptions& options, bool thinks);

}  // namespace longhaul
