// longhaul bench tokenizer: how fast rows become tokens.
#include "app/flags/bench_flags.h"
#include "bench/tokenizer.h"
#include "core/error.h"

namespace longhaul {

int run_bench_tokenizer(BenchRun& run) {
  bench::TokenizerOptions options;
  std::string model;
  std::string input;
  BenchFlags flags(
      "tokenizer --model DIR --input FILE [flags]",
      "Times one thread that makes tokens of rendered rows: MB/s of text, tokens/s and "
      "rows/s, with a word cache that is empty, with one that has seen the rows, and with "
      "parsing and rendering. No model or GPU is used.",
      BenchFlags::Device::none);
  OptionGroup data = flags.group("Data");
  data.add("model", &model, "DIR", "directory with tokenizer.json and the chat template")
      .needed("a directory with tokenizer.json");
  data.add("input", &input, "FILE", "rows, as --dataset of train takes them")
      .needed("a file of rows");
  OptionGroup measuring = flags.group("Measuring");
  add_bench_seconds(measuring, &options.seconds);
  if (!flags.parse(run.argc, run.argv, run.coordinator)) return kExitSuccess;

  run.coordinator.run_collectively([&] {
    if (run.coordinator.size() != 1) {
      user_error("bench tokenizer measures one thread; start it without mpirun, or with one rank");
    }
  });
  options.input = input;
  const RowEncoder encoder = RowEncoder::load(model, {});
  bench::Report report("tokenizer", run.out());
  flags.begin(report, "one CPU thread");
  bench::bench_tokenizer(encoder, options, report);
  flags.end(report, run.coordinator);
  return kExitSuccess;
}

}  // namespace longhaul
