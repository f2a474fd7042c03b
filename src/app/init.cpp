// longhaul init: a model directory with random weights, for tests, benchmarks and first steps.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "app/command.h"
#include "app/flags/options.h"
#include "core/error.h"
#include "core/humanize.h"
#include "core/tensor/convert.h"
#include "hf/byte_size.h"
#include "hf/init_model.h"

namespace longhaul {

int run_init(int argc, char** argv) {
  std::string config;
  std::string output;
  std::string tokenizer;
  std::int64_t seed = 42;
  std::string dtype;
  std::string max_shard_size = "5GB";
  bool overwrite = false;
  OptionTable table;
  OptionGroup group(table, "Model");
  group
      .add("config", &config, "FILE|DIR",
           "the config.json of a Qwen2 or Qwen3 model, or a directory that holds one")
      .required();
  group.add("output", &output, "DIR", "the directory to write").required();
  group.add("tokenizer", &tokenizer, "DIR",
            "where to copy the tokenizer's files from (default: the configuration's directory)");
  group.add("seed", &seed, "N", "seed of the weights").at_least(0);
  group.add("dtype", &dtype, one_of({"bfloat16", "float16", "float32"}),
            "of the weights (default: the configuration's)");
  group.add("max_shard_size", &max_shard_size, "SIZE", "largest safetensors file");
  group.add("overwrite", &overwrite, "replace a model that is in the output directory");
  OptionParser parser("init --config FILE|DIR --output DIR [flags]",
                      "Writes a Hugging Face model directory with random weights, drawn as "
                      "transformers initialises a new model. The same seed gives the same values.",
                      std::move(table), "config_file");
  if (!parser.parse(argc, argv)) return kExitSuccess;

  InitOptions options;
  options.config = config;
  options.output = output;
  options.tokenizer = tokenizer;
  options.seed = static_cast<std::uint64_t>(seed);
  if (!dtype.empty()) options.dtype = parse_weight_dtype(dtype, "--dtype");
  options.max_shard_bytes = parse_byte_size(max_shard_size, "--max_shard_size");
  options.overwrite = overwrite ? Overwrite::yes : Overwrite::no;
  const InitReport report = init_model(options);
  fmt::print("{}: {}\n", output, describe(report.config));
  fmt::print("  {} tensors in {}, {} in {}, seed {}\n", report.weights.tensors,
             name_of(report.dtype), human_bytes(report.weights.bytes),
             counted(std::ssize(report.weights.files), "file"), seed);
  if (report.tokenizer_files.empty()) {
    fmt::print("  no tokenizer: training needs one; give --tokenizer DIR\n");
  } else {
    fmt::print("  tokenizer: {}\n", fmt::join(report.tokenizer_files, ", "));
  }
  return kExitSuccess;
}

}  // namespace longhaul
