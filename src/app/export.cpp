// longhaul export: a checkpoint's weights become a Hugging Face model directory.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "app/command.h"
#include "app/flags/options.h"
#include "core/convert.h"
#include "core/error.h"
#include "core/humanize.h"
#include "hf/byte_size.h"
#include "hf/export_model.h"

namespace po = boost::program_options;

namespace longhaul {
namespace {

void print_report(const std::string& output, const ExportReport& report) {
  for (const std::string& note : report.notes) {
    fmt::print(stderr, "longhaul export: note: {}\n", note);
  }
  fmt::print("{}: step {} of {}\n  {}\n", output, report.step,
             report.checkpoint.parent_path().string(), describe(report.config));
  const WeightFiles& weights = report.weights;
  fmt::print("  {} tensors in {}, {} in {}\n", weights.tensors, name_of(report.dtype),
             human_bytes(weights.bytes), counted(std::ssize(weights.files), "file"));
  if (report.tokenizer_files.empty()) {
    fmt::print("  no tokenizer files were found; give --tokenizer DIR to add them\n");
  } else {
    fmt::print("  tokenizer: {}\n", fmt::join(report.tokenizer_files, ", "));
  }
  if (report.verified) {
    fmt::print("  verified {} tensors, {}\n", report.verified->tensors,
               human_bytes(report.verified->bytes));
  }
}

}  // namespace

int run_export(int argc, char** argv) {
  std::string checkpoint;
  std::string output;
  std::string tokenizer;
  std::string dtype;
  std::string max_shard_size;
  bool verify = false;
  bool overwrite = false;
  OptionParser parser("export --checkpoint DIR --output DIR [flags]",
                      "Turns a checkpoint into a Hugging Face model directory that transformers "
                      "and inference servers load.");
  parser.add("Model")("checkpoint", po::value(&checkpoint)->value_name("DIR")->required(),
                      "a save directory (its newest checkpoint) or one step_... folder of it")(
      "output", po::value(&output)->value_name("DIR")->required(), "the directory to write")(
      "tokenizer", po::value(&tokenizer)->value_name("DIR"),
      "where to copy the tokenizer's files from (default: what was trained with)")(
      "dtype", po::value(&dtype)->value_name("bfloat16|float16|float32"),
      "of the weights (default: the model's)")(
      "max_shard_size", po::value(&max_shard_size)->value_name("SIZE")->default_value("5GB"),
      "largest safetensors file")(
      "verify", po::value(&verify)->value_name("true|false")->default_value(false, "false"),
      "read the files back and compare every tensor with the checkpoint, bit for bit")(
      "overwrite", po::value(&overwrite)->value_name("true|false")->default_value(false, "false"),
      "replace a model that is in the output directory");
  if (!parser.parse(argc, argv)) return kExitSuccess;

  ExportOptions options;
  options.checkpoint = checkpoint;
  options.output = output;
  options.tokenizer = tokenizer;
  if (!dtype.empty()) options.dtype = parse_weight_dtype(dtype, "--dtype");
  options.max_shard_bytes = parse_byte_size(max_shard_size, "--max_shard_size");
  options.verification = verify ? Verification::compare_every_tensor : Verification::skip;
  options.overwrite = overwrite ? Overwrite::yes : Overwrite::no;
  print_report(output, export_model(options));
  return kExitSuccess;
}

}  // namespace longhaul
