// longhaul export: a checkpoint's weights become a Hugging Face model directory.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "app/command.h"
#include "app/flags/options.h"
#include "core/error.h"
#include "core/humanize.h"
#include "core/tensor/convert.h"
#include "hf/byte_size.h"
#include "hf/export_model.h"

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
  std::string max_shard_size = "5GB";
  bool verify = false;
  bool overwrite = false;
  OptionTable table;
  OptionGroup group(table, "Model");
  group
      .add("checkpoint", &checkpoint, "DIR",
           "a save directory (its newest checkpoint) or one step_... folder of it")
      .required();
  group.add("output", &output, "DIR", "the directory to write").required();
  group.add("tokenizer", &tokenizer, "DIR",
            "where to copy the tokenizer's files from (default: what was trained with)");
  group.add("dtype", &dtype, one_of({"bfloat16", "float16", "float32"}),
            "of the weights (default: the model's)");
  group.add("max_shard_size", &max_shard_size, "SIZE", "largest safetensors file");
  group.add("verify", &verify,
            "read the files back and compare every tensor with the checkpoint, bit for bit");
  group.add("overwrite", &overwrite, "replace a model that is in the output directory");
  OptionParser parser("export --checkpoint DIR --output DIR [flags]",
                      "Turns a checkpoint into a Hugging Face model directory that transformers "
                      "and inference servers load.",
                      std::move(table));
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
