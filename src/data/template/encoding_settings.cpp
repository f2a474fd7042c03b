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

void add_encoding_options(OptionGroup& group, EncodingSettings& settings) {
  group.add("template_mode", &settings.template_mode, one_of(kTemplateModes),
            "how conversations are written: hf (the model's own published chat template), "
            "swift-3.13 or swift-3.7 (as that release of ms-swift writes them for training)");
  group.add("chat_template", &settings.chat_template, one_of({"auto"}, kTemplateFamilies),
            "which published template; auto: the one that the model names");
  group
      .add("loss_scale", &settings.loss_scale, one_of({"default", "last_round", "all"}),
           "what carries loss: every assistant turn, those of the last round, or all text; "
           "modifiers may follow, as in default+ignore_empty_think+hermes")
      .parsed_by(parse_loss_scale);
  group.add("thinking", &settings.thinking, one_of(kThinkingPolicies),
            "what becomes of the reasoning in earlier turns (Qwen3)");
  group.add("strict_parity", &settings.strict_parity,
            "swift modes: also drop the rows that ms-swift drops");
}

}  // namespace longhaul
