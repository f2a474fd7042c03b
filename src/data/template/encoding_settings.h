#pragma once

#include <string>

#include "core/options/option_table.h"
#include "data/template/row_encoder.h"

namespace longhaul {

/// What decides how a row becomes tokens and weights, under the names and with the values of the
/// flags.
struct EncodingSettings {
  std::string template_mode = "hf";
  std::string chat_template = "auto";
  std::string loss_scale = "default";
  std::string thinking = "as_template";
  bool strict_parity = false;

  /// Throws UserError for a value that is not known, or that does not go with another one.
  [[nodiscard]] EncodeOptions parse() const;
};

/// Adds the flags of `settings`. Every command that renders rows has them.
void add_encoding_options(OptionGroup& group, EncodingSettings& settings);

}  // namespace longhaul
