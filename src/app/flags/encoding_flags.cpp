#include "app/flags/encoding_flags.h"

namespace longhaul {

void add_encoding_flags(FlagGroup& group, EncodingSettings& settings) {
  group.value("template_mode", &settings.template_mode, "hf|swift-3.13|swift-3.7",
              "how conversations are written: hf (the model's own published chat template), "
              "swift-3.13 or swift-3.7 (as that release of ms-swift writes them for training)");
  group.value("chat_template", &settings.chat_template,
              "auto|qwen2.5|qwen2.5-base|qwen3|qwen3-first",
              "which published template; auto: the one that the model names");
  group.value("loss_scale", &settings.loss_scale, "default|last_round|all",
              "what carries loss: every assistant turn, those of the last round, or all text; "
              "modifiers may follow, as in default+ignore_empty_think+hermes");
  group.value("thinking", &settings.thinking, "as_template|keep|strip_history",
              "what becomes of the reasoning in earlier turns (Qwen3)");
  group.value("strict_parity", &settings.strict_parity, "true|false",
              "swift modes: also drop the rows that ms-swift drops");
}

std::string describe_encoding(const RowEncoder& encoder, const EncodingSettings& settings) {
  std::string text = fmt::format("{} ({}), loss_scale {}", name_of(encoder.template_family()),
                                 settings.template_mode, settings.loss_scale);
  if (settings.thinking != "as_template") text += fmt::format(", thinking {}", settings.thinking);
  if (settings.strict_parity) text += ", strict parity";
  return text;
}

}  // namespace longhaul
