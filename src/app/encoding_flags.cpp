#include "app/encoding_flags.h"

namespace longhaul {

void add_encoding_flags(FlagGroup& group, EncodingSettings& settings) {
  group.value("template_mode", &settings.template_mode, "MODE",
              "how conversations are written: hf (the model's own published chat template), "
              "swift-3.13 or swift-3.7 (as that release of ms-swift writes them for training)");
  group.value("chat_template", &settings.chat_template, "NAME",
              "which published template: auto (the one that the model names), qwen2.5, "
              "qwen2.5-base, qwen3 or qwen3-first");
  group.value("loss_scale", &settings.loss_scale, "POLICY",
              "what carries loss: default (every assistant turn), last_round, all; with modifiers "
              "+ignore_empty_think, +hermes");
  group.value("thinking", &settings.thinking, "POLICY",
              "reasoning in earlier turns (Qwen3): as_template, keep or strip_history");
  group.value("strict_parity", &settings.strict_parity, "BOOL",
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
