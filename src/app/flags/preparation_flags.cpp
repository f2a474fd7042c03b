#include "app/flags/preparation_flags.h"

#include <algorithm>

#include "app/flags/tokenizer_folder.h"

namespace longhaul {

ParallelLayout PreparationFlags::stream_layout() const {
  return {.tp = std::max(tensor_model_parallel_size, 1),
          .cp = std::max(context_parallel_size, 1),
          .dp = 1};
}

OptionTable preparation_table(PreparationFlags& o) {
  OptionTable table;
  OptionGroup data(table, "Model and data");
  data.add("model", &o.model, "DIR", "Hugging Face model directory, or a checkpoint")
      .needed("a Hugging Face model directory or a checkpoint");
  add_dataset_options(data, o);
  add_encoding_options(data, o.encoding);

  OptionGroup steps(table, "Steps");
  add_batch_options(steps, o);
  add_run_length_options(steps, o);
  add_layout_options(steps, o);

  OptionGroup work(table, "Work");
  work.add("threads", &o.threads, "N", "threads of a process; 0: its share of the host's cores")
      .at_least(0);
  return table;
}

RowEncoder load_encoder(const PreparationFlags& flags) {
  return RowEncoder::load(tokenizer_folder(flags.model), flags.encoding.parse());
}

}  // namespace longhaul
