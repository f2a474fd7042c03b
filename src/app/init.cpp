// longhaul init: a model directory with random weights, for tests, benchmarks and first steps.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "app/command.h"
#include "app/flags/options.h"
#include "core/convert.h"
#include "core/error.h"
#include "core/humanize.h"
#include "hf/byte_size.h"
#include "hf/init_model.h"

namespace po = boost::program_options;

namespace longhaul {

int run_init(int argc, char** argv) {
  std::string config;
  std::string output;
  std::string tokenizer;
  std::int64_t seed = 42;
  std::string dtype;
  std::string max_shard_size;
  bool overwrite = false;
  OptionParser parser("init --config FILE|DIR --output DIR [flags]",
                      "Writes a Hugging Face model directory with random weights, drawn as "
                      "transformers initialises a new model. The same seed gives the same values.",
                      "config_file");
  parser.add("Model")("config", po::value(&config)->value_name("FILE|DIR")->required(),
                      "the config.json of a Qwen2 or Qwen3 model, or a directory that holds one")(
      "output", po::value(&output)->value_name("DIR")->required(), "the directory to write")(
      "tokenizer", po::value(&tokenizer)->value_name("DIR"),
      "where to copy the tokenizer's files from (default: the configuration's directory)")(
      "seed", po::value(&seed)->value_name("N")->default_value(seed), "seed of the weights")(
      "dtype", po::value(&dtype)->value_name("bfloat16|float16|float32"),
      "of the weights (default: the configuration's)")(
      "max_shard_size", po::value(&max_shard_size)->value_name("SIZE")->default_value("5GB"),
      "largest safetensors file")(
      "overwrite", po::value(&overwrite)->value_name("true|false")->default_value(false, "false"),
      "replace a model that is in the output directory");
  if (!parser.parse(argc, argv)) return kExitSuccess;

  InitOptions options;
  options.config = config;
  options.output = output;
  options.tokenizer = tokenizer;
  if (seed < 0) user_error("--seed {}: must not be negative", seed);
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
