#include "data/template/encoding_settings.h"

#include "core/error.h"

namespace longhaul {

EncodeOptions EncodingSettings::parse() const {
  EncodeOptions options;
  options.template_mode = parse_template_mode(template_mode);
  options.loss_scale = parse_loss_scale(loss_scale);
  options.template_family = parse_template_family(chat_template);
  options.thinking = parse_thinking_policy(thinking);
  options.strict_parity = strict_parity;
  if (strict_parity && options.template_mode == TemplateMode::hf) {
    user_error("--strict_parity true: only with --template_mode swift-3.13 or swift-3.7");
  }
  return options;
}

}  // namespace longhaul
