#include "app/flags/preparation_flags.h"

#include <algorithm>

#include "app/flags/dataset_flags.h"
#include "app/flags/encoding_flags.h"

namespace longhaul {

ParallelLayout PreparationFlags::stream_layout() const {
  return {.tp = std::max(tensor_model_parallel_size, 1),
          .cp = std::max(context_parallel_size, 1),
          .dp = 1};
}

void add_preparation_flags(OptionParser& parser, PreparationFlags& o) {
  FlagGroup data(parser, "Model and data");
  data.plain("model", &o.model, "DIR", "Hugging Face model directory, or a checkpoint");
  add_dataset_flags(data, o);
  add_encoding_flags(data, o.encoding);

  FlagGroup steps(parser, "Steps");
  add_batch_flags(steps, o);
  add_run_length_flags(steps, o);
  add_layout_flags(steps, o);

  FlagGroup work(parser, "Work");
  work.value("threads", &o.threads, "N", "threads of a process; 0: its share of the host's cores");
}

RowEncoder load_encoder(const PreparationFlags& flags) {
  return RowEncoder::load(tokenizer_folder(flags.model), flags.encoding.parse());
}

}  // namespace longhaul
