#include "app/preparation_flags.h"

#include <algorithm>

#include "app/dataset_flags.h"

namespace longhaul {

Layout PreparationFlags::stream_layout() const {
  return {.tp = std::max(tensor_model_parallel_size, 1),
          .cp = std::max(context_parallel_size, 1),
          .dp = 1};
}

void add_preparation_flags(OptionParser& parser, PreparationFlags& o) {
  FlagGroup data(parser, "Model and data");
  data.plain("model", &o.model, "DIR", "Hugging Face model directory, or a checkpoint");
  add_dataset_flags(data, o);
  data.value("template_mode", &o.template_mode, "MODE",
             "chat template: hf, the model's own published one");
  data.value("chat_template", &o.chat_template, "NAME",
             "which published template: auto (the one that the model names), qwen2.5, "
             "qwen2.5-base, qwen3, qwen3-first");
  data.value("loss_scale", &o.loss_scale, "POLICY",
             "what carries loss: default, all assistant turns");

  FlagGroup steps(parser, "Steps");
  add_batch_flags(steps, o);
  add_run_length_flags(steps, o);
  add_layout_flags(steps, o);

  FlagGroup work(parser, "Work");
  work.value("threads", &o.threads, "N", "threads of a process; 0: its share of the host's cores");
}

RowEncoder load_encoder(const PreparationFlags& flags) {
  EncodeOptions encode;
  encode.template_mode = parse_template_mode(flags.template_mode);
  encode.loss_scale = parse_loss_scale(flags.loss_scale);
  encode.template_family = parse_template_family(flags.chat_template);
  return RowEncoder::load(tokenizer_folder(flags.model), encode);
}

}  // namespace longhaul
